"""Stage 3: the LoRA, trained at the noisiest timesteps with the temporal loss (Eq. 9)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from frameweave.adaptor.lora import Lora
from frameweave.diffusion.losses import Followed, L_noise, L_temporal, adjacent
from frameweave.diffusion.schedule import Window
from frameweave.errors import InputError
from frameweave.models.features import collected, decoder_layers
from frameweave.training.along_motion import followed
from frameweave.training.batches import Batch, Batches
from frameweave.training.denoising import Denoiser
from frameweave.training.options import TrainOptions

_MOVING = 17
"""What tells the draws of how pictures are moved from others."""
_FARTHEST = 3
"""Latents by which pictures are moved at most, along each side."""


def check_losses(options: TrainOptions) -> None:
    """Raise `InputError` when the groups are too short for the temporal loss, or a part of it cannot act."""
    needed = {"frames": 3, "both": 3, "noise": 2, "none": 1}[options.temporal_mode]
    if options.frames < needed:
        raise InputError(
            f"groups of {options.frames} frames, temporal_mode {options.temporal_mode!r} needs {needed}",
            hint=f"give --frames {needed}, or --temporal-mode noise for pairs",
        )
    compared = options.temporal_mode in ("frames", "both") and options.temporal_weight
    if options.first_order_weight and not compared:
        raise InputError(
            f"--first-order-weight with --temporal-mode {options.temporal_mode} and --temporal-weight "
            f"{options.temporal_weight:g}, which compare no neighbouring frames",
            hint="give --temporal-mode frames and a weight, or leave --first-order-weight out",
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
        check_losses(options)
        self.lora.switch(on=True, trainable=True)
        unet = self.denoiser.model.unet
        parts: dict[str, nn.Module] = {"unet": unet}
        if self.denoiser.tokens is not None:
            parts["tokens"] = self.denoiser.tokens.requires_grad_(options.train_tokens)
        self.module: nn.Module = nn.ModuleDict(parts)
        self.layers = decoder_layers(unet, options.temporal_layers)
        T = self.denoiser.model.schedule.T
        self.window = Window(*options.temporal_range, T)
        trained, counts = Window(*options.t_range, T).values, self.window.values
        if options.temporal_mode != "none" and max(trained[0], counts[0]) > min(trained[1], counts[1]):
            raise InputError(
                f"trained at t from {trained[0]} to {trained[1]}, and the temporal loss counts from "
                f"{counts[0]} to {counts[1]}",
                hint="give --temporal-range too, or --temporal-mode none",
            )

    def loss(self, step: int) -> dict[str, Tensor]:
        return self.losses([step])[0]

    def losses(self, steps: Sequence[int]) -> list[dict[str, Tensor]]:
        def forward(batch: Batch, states: Tensor) -> list[Tensor]:
            eps_hat, features = self._forward(batch, states)
            return [eps_hat, *features]

        found = self.denoiser.together([self.batches(step) for step in steps], forward)
        return [
            self._terms(step, batch, states, eps_hat, features)
            for step, (batch, states, (eps_hat, *features)) in zip(steps, found, strict=True)
        ]

    def _terms(
        self, step: int, batch: Batch, states: Tensor, eps_hat: Tensor, features: list[Tensor]
    ) -> dict[str, Tensor]:
        options = self.denoiser.options
        terms = {
            "noise": self.denoiser.noise_term(eps_hat, batch),
            "temporal": options.temporal_weight * self.temporal(features, batch),
        }
        if options.equivariance_weight:
            away = self._away_when_moved(step, batch, states, eps_hat)
            terms["equivariance"] = options.equivariance_weight * away
        return terms

    def _forward(self, batch: Batch, states: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The predicted noise, and the features that the temporal loss compares."""
        with collected(self.denoiser.model.unet, self.layers) as features:
            return self.denoiser(batch, states), features.take()

    def _away_when_moved(self, step: int, batch: Batch, states: Tensor, eps_hat: Tensor) -> Tensor:
        """How far the prediction in a moved picture is from the moved prediction, where both show the same.

        Picture, noise and depth are moved alike, by whole latents. The mean squared difference of the noise
        is that of the clean picture, times the signal-to-noise ratio.
        """
        rng = np.random.default_rng((self.denoiser.options.seed, step, _MOVING))
        factor, rim = self.denoiser.model.vae_factor, min(_FARTHEST, min(eps_hat.shape[2:]) // 4)
        down, right = (int(shift) for shift in rng.integers(1, rim + 1, 2) * rng.choice((-1, 1), 2))
        moved = replace(
            batch,
            x_t=batch.x_t.roll((down, right), (2, 3)),
            depth=batch.depth.roll((down * factor, right * factor), (2, 3)),
        )
        difference = self.denoiser(moved, states) - eps_hat.roll((down, right), (2, 3))
        # without what has come round from the other side
        return difference[:, :, rim:-rim, rim:-rim].square().mean()

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
            chosen = inside.to(F_l.device)
            F_all, along = _by_group(F_l, batch)
            F_g = F_all[chosen]
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
                        followed=None if along is None else _of(along, chosen),
                    )
                )
            if options.temporal_mode in ("noise", "both") and bool(whole.any()):
                share = float(whole.float().mean())
                terms.append(share * self._noise_reading(F_all, along, batch, whole.to(F_l.device)))
            per_layer.append(torch.stack(terms).sum() if terms else F_l.new_zeros((), dtype=torch.float32))
        stacked = torch.stack(per_layer)
        return stacked.sum() if options.temporal_sum else stacked.mean()

    def _noise_reading(
        self, F_all: Tensor, along: Followed | None, batch: Batch, whole: Bool[Tensor, " G"]
    ) -> Tensor:
        """Eq. 3 over timesteps, of the first two frames of the groups chosen."""
        after = F_all[:, 1:] if along is None else along.F_next
        pairs = torch.stack([F_all[:, 0], after[:, 0].to(F_all)], dim=1).unflatten(0, batch.shape[:2])[whole]
        weight = None if along is None else along.weight[:, 0].unflatten(0, batch.shape[:2])[whole, 0]
        return L_noise(pairs[:, 0], pairs[:, 1], reduce=self.denoiser.options.temporal_reduce, weight=weight)

    def watch(self) -> dict[str, float]:
        """On held-out groups at fixed noise: noise loss, Eq. 3 and adjacent similarity, with and without."""
        seen: dict[str, float] = {}
        count = self.held_out.count
        for name, on in (("", True), ("_without", False)):
            self.lora.switch(on)
            for step in range(count):
                batch = self.held_out(step)
                eps_hat, features = self._forward(batch, batch.text)
                figures = {
                    "held_out_noise": float(self.denoiser.noise_term(eps_hat, batch)),
                    "held_out_temporal": float(self.temporal(features, batch)),
                }
                if batch.shape[2] > 1:
                    figures["held_out_similarity"] = adjacent_similarity(features, batch)
                for key, value in figures.items():
                    seen[key + name] = seen.get(key + name, 0.0) + value / count
        self.lora.switch(on=True, trainable=True)
        return seen


def adjacent_similarity(features: list[Float[Tensor, "S _ _"]], batch: Batch) -> float:
    """Mean Sim (Eq. 2) of neighbouring frames over all layers; along the motion where the batch has it."""
    means: list[Tensor] = []
    for F_l in features:
        F_g, along = _by_group(F_l, batch)
        s, seen = adjacent(F_g, followed=along)
        means.append((s * seen).sum() / seen.sum().clamp(min=1))
    return float(torch.stack(means).mean())


def _by_group(F_l: Float[Tensor, "S N C"], batch: Batch) -> tuple[Float[Tensor, "GK F N C"], Followed | None]:
    """A layer's features by group and timestep, and those of next frames along the motion."""
    groups, times, frames = batch.shape
    F_g = F_l.unflatten(0, (groups * times, frames))
    if batch.motion is None or frames == 1:
        return F_g, None
    return F_g, followed(F_g, batch.motion.repeat_interleave(times, dim=0))


def _of(along: Followed, chosen: Bool[Tensor, " GK"]) -> Followed:
    return Followed(along.F_next[chosen], along.weight[chosen])
