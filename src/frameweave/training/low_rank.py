"""Stage 3: the LoRA, trained at the noisiest timesteps with the temporal loss (Eq. 9)."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from frameweave.adaptor.lora import Lora
from frameweave.diffusion.losses import L_noise, L_temporal, sim
from frameweave.diffusion.schedule import Window
from frameweave.errors import InputError
from frameweave.models.features import collected, decoder_layers
from frameweave.training.batches import Batch, Batches
from frameweave.training.denoising import Denoiser
from frameweave.training.options import TrainOptions


def check_frames(options: TrainOptions) -> None:
    """Raise `InputError` when the groups are too short for the temporal loss."""
    needed = {"frames": 3, "both": 3, "noise": 2, "none": 1}[options.temporal_mode]
    if options.frames < needed:
        raise InputError(
            f"groups of {options.frames} frames, temporal_mode {options.temporal_mode!r} needs {needed}",
            hint=f"give --frames {needed}, or --temporal-mode noise for pairs",
        )


def timesteps_drawn(options: TrainOptions) -> int:
    """At how many timesteps a group is seen."""
    return 2 if options.temporal_mode in ("noise", "both") else 1


@dataclass(eq=False)
class LowRank:
    """Noise loss + lambda L_temporal over the outputs of the UNet's decoder self-attentions."""

    denoiser: Denoiser
    lora: Lora
    batches: Batches
    held_out: Batches

    def __post_init__(self) -> None:
        options = self.denoiser.options
        check_frames(options)
        self.lora.switch(on=True, trainable=True)
        unet = self.denoiser.model.unet
        parts: dict[str, nn.Module] = {"unet": unet}
        if self.denoiser.tokens is not None:
            parts["tokens"] = self.denoiser.tokens.requires_grad_(options.train_tokens)
        self.module: nn.Module = nn.ModuleDict(parts)
        self.layers = decoder_layers(unet, options.temporal_layers)
        self.window = Window(*options.temporal_range, self.denoiser.model.schedule.T)

    def loss(self, step: int) -> dict[str, Tensor]:
        batch = self.batches(step)
        noise, features = self._forward(batch, self.denoiser.states(batch))
        return {
            "noise": noise,
            "temporal": self.denoiser.options.temporal_weight * self.temporal(features, batch),
        }

    def _forward(self, batch: Batch, states: Tensor) -> tuple[Tensor, list[Tensor]]:
        with collected(self.denoiser.model.unet, self.layers) as features:
            eps_hat = self.denoiser(batch, states)
            return self.denoiser.noise_term(eps_hat, batch), features.take()

    def temporal(self, features: list[Float[Tensor, "S _ _"]], batch: Batch) -> Tensor:
        """Eq. 3, or its reading over timesteps, over all layers; samples outside the range count zero."""
        options = self.denoiser.options
        if options.temporal_mode == "none":
            return batch.x_t.new_zeros(())
        groups, times, frames = batch.shape
        first, last = self.window.values
        t = batch.t.view(groups, times, frames)[:, :, 0].flatten().cpu()
        inside = (t >= first) & (t <= last)
        whole = inside.view(groups, times).all(1)
        per_layer: list[Tensor] = []
        for F_l in features:
            F_g = F_l.unflatten(0, (groups * times, frames))[inside.to(F_l.device)]
            terms: list[Tensor] = []
            if options.temporal_mode in ("frames", "both") and len(F_g):
                share = float(inside.float().mean())
                terms.append(
                    share
                    * L_temporal(
                        F_g,
                        reduce=options.temporal_reduce,
                        norm=options.temporal_norm,
                        first_order_weight=options.first_order_weight,
                    )
                )
            if options.temporal_mode in ("noise", "both") and bool(whole.any()):
                pair = F_l.unflatten(0, (groups, times, frames))[whole.to(F_l.device)][:, :, :2]
                share = float(whole.float().mean())
                terms.append(share * L_noise(pair[:, 0], pair[:, 1], reduce=options.temporal_reduce))
            per_layer.append(torch.stack(terms).sum() if terms else F_l.new_zeros((), dtype=torch.float32))
        stacked = torch.stack(per_layer)
        return stacked.sum() if options.temporal_sum else stacked.mean()

    def watch(self) -> dict[str, float]:
        """On held-out groups at fixed noise: noise loss, Eq. 3 and adjacent similarity, with and without."""
        seen: dict[str, float] = {}
        count = len(self.held_out.groups) // self.held_out.options.batch
        for name, on in (("", True), ("_without", False)):
            self.lora.switch(on)
            for step in range(count):
                batch = self.held_out(step)
                noise, features = self._forward(batch, batch.text)
                figures = {
                    "held_out_noise": float(noise),
                    "held_out_temporal": float(self.temporal(features, batch)),
                }
                if batch.shape[2] > 1:
                    figures["held_out_similarity"] = adjacent_similarity(features, batch.shape[2])
                for key, value in figures.items():
                    seen[key + name] = seen.get(key + name, 0.0) + value / count
        self.lora.switch(on=True, trainable=True)
        return seen


def adjacent_similarity(features: list[Float[Tensor, "S _ _"]], frames: int) -> float:
    """Mean Sim (Eq. 2) of neighbouring frames over all layers."""
    means: list[Tensor] = []
    for F_l in features:
        F_g = F_l.unflatten(0, (-1, frames))
        means.append(sim(F_g[:, 1:].flatten(0, 1), F_g[:, :-1].flatten(0, 1)).mean())
    return float(torch.stack(means).mean())
