"""What the three stages share: the noise prediction under tokens and depth, and the held-out batch."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor, nn

from frameweave.adaptor.tokens import PrefixTokens, concat_tokens
from frameweave.diffusion.losses import min_snr_weight, noise_loss
from frameweave.errors import ModelFolderError
from frameweave.models.conditioning import StableConditioning
from frameweave.models.control.asked import DEPTH
from frameweave.models.seam import Guides
from frameweave.models.stable_diffusion import StableDiffusion
from frameweave.training.batches import Batch, joined
from frameweave.training.options import TrainOptions


@dataclass(eq=False)
class Denoiser:
    """Predicts the noise of a batch; what is trained in it is the stage's choice."""

    model: StableDiffusion
    options: TrainOptions
    tokens: PrefixTokens | None
    train_control: bool = False

    def __post_init__(self) -> None:
        networks: list[nn.Module] = [self.model.unet]
        if self._steered:
            if self.model.controlnet is None:
                raise ModelFolderError(
                    "depth_control is on, and the model has no depth ControlNet",
                    hint="name one with --controlnet, or give --no-depth-control",
                )
            networks.append(self.model.controlnet)
        for network in networks:
            network.requires_grad_(False)
            if self.options.checkpointing:
                network.enable_gradient_checkpointing()  # pyright: ignore

    def states(self, batch: Batch) -> Float[Tensor, "S PL D"]:
        """The text of each sample after the tokens, without them, or the tokens alone: see `token_mode`."""
        mode = self.options.token_mode
        if self.tokens is None or not (batch.replaced or mode == "always"):
            return batch.text
        prefix = self.tokens(batch.vision).expand(len(batch.text), -1, -1)
        if mode == "replace":
            return prefix
        if self.options.tokens_form == "sequence":
            empty = self.plain.texts[0].to(batch.text)
            branches = torch.stack([empty.expand_as(batch.text), batch.text])
            return concat_tokens(prefix, branches, form="sequence")[0]
        return concat_tokens(prefix, batch.text[None])[0]

    def together(
        self, batches: Sequence[Batch], forward: Callable[[Batch, Tensor], Sequence[Tensor]]
    ) -> list[tuple[Batch, Tensor, list[Tensor]]]:
        """Each batch with its states and its part of what `forward` gives of many at once, samples first.

        Those whose texts are equally long go through together.
        """
        given = [(batch, self.states(batch)) for batch in batches]
        parts: dict[int, list[Tensor]] = {}
        for length in dict.fromkeys(states.shape[1] for _, states in given):
            chosen = [index for index, (_, states) in enumerate(given) if states.shape[1] == length]
            found = forward(
                joined([given[index][0] for index in chosen]),
                torch.cat([given[index][1] for index in chosen]),
            )
            sizes = [len(given[index][0].x_t) for index in chosen]
            for index, *own in zip(chosen, *(one.split(sizes) for one in found), strict=True):
                parts[index] = own
        return [(batch, states, parts[index]) for index, (batch, states) in enumerate(given)]

    def __call__(self, batch: Batch, states: Float[Tensor, "S PL D"]) -> Float[Tensor, "S C h w"]:
        """The noise predicted in each sample under its text, as float32."""
        plain, read = self.plain, None
        if self._steered:
            groups, times, frames = batch.shape
            depth = batch.depth.unflatten(0, (groups, 1, frames))  # of each frame, for all its timesteps
            depth = depth.expand(-1, times, -1, -1, -1, -1).flatten(0, 2)
            plain = self.model.conditioning([""], Guides(maps={DEPTH: depth}), negative=(0,))
            read = states.detach() if self.options.controlnet_text == "tokens" else batch.text
        conditioning = replace(
            plain,
            texts=states[None],
            for_controlnet=None if read is None else read[None],
            pooled=None if plain.pooled is None else batch.pooled[None],
        )
        x_t = batch.x_t.contiguous(memory_format=torch.channels_last)
        return self.model.predict(x_t, batch.t, conditioning)[0].float()

    @cached_property
    def plain(self) -> StableConditioning:
        """An empty text as guidance leads away from it, in whose place those of a batch are put."""
        return self.model.conditioning([""], negative=(0,))

    @property
    def _steered(self) -> bool:
        return self.options.depth_control or self.train_control

    def noise_term(self, eps_hat: Float[Tensor, "S C h w"], batch: Batch) -> Tensor:
        """The noise part of Eq. 9, with min-SNR weights when asked for."""
        weight = None
        if self.options.min_snr is not None:
            alpha_bar = self.model.schedule.alpha_bar[batch.t.cpu()].to(batch.x_t.device)
            weight = min_snr_weight(alpha_bar, self.options.min_snr)
        return noise_loss(eps_hat, batch.eps, weight)
