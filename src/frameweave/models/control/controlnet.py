"""A ControlNet in two parts, so that what depends on the picture alone is computed once.

The stem turns pictures into features; it is the dearest part of a small ControlNet, and neither the
timestep, the guidance branch nor the text changes its result.
"""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from diffusers import ControlNetModel, UNet2DConditionModel
from jaxtyping import Float
from torch import Tensor, nn

from frameweave.models.conditioning import AddedConditions
from frameweave.models.seam import ControlMap
from frameweave.models.stock import channels_last

Embedded = Float[Tensor, "S C h w"]


def embedded(controlnet: ControlNetModel, maps: ControlMap) -> Embedded:
    """Features of the pictures that steer, such as inverse depth in [0, 1], near is 1."""
    picture = maps.expand(-1, 3, -1, -1).contiguous(memory_format=torch.channels_last)
    return controlnet.controlnet_cond_embedding(picture)


def new_controlnet(unet: UNet2DConditionModel, vae_factor: int, seed: int) -> ControlNetModel:
    """One to be trained beside that UNet: a copy of its encoder, which adds nothing yet."""
    channels = (16, 32, 96, 256)[: vae_factor.bit_length()]  # each but the first halves the sides
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        controlnet = ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=channels)
    nn.Module.to(controlnet.requires_grad_(False).eval(), unet.device, unet.dtype)
    return channels_last(controlnet)


@dataclass(frozen=True, eq=False)
class Seen:
    """What a ControlNet sees beside the pictures in one call: the same batch as the UNet."""

    batch: Float[Tensor, "B C h w"]
    t: Tensor | float
    text: Float[Tensor, "B L D"]
    added: AddedConditions | None = None
    """What one of SDXL's kind reads beside the text, as the UNet does."""


def residuals(
    controlnet: ControlNetModel, seen: Seen, features: Embedded, *, scale: float = 1.0
) -> list[Tensor]:
    """What the ControlNet adds, times `scale`, to the UNet's down blocks, and last to its mid block."""
    with _passed_by(controlnet.controlnet_cond_embedding):
        down, mid = controlnet(
            seen.batch,
            seen.t,
            seen.text,
            controlnet_cond=features,
            added_cond_kwargs=seen.added,
            return_dict=False,
        )
    return [*down, mid] if scale == 1 else [scale * residual for residual in (*down, mid)]


@contextmanager
def _passed_by(module: nn.Module) -> Generator[None, None, None]:
    """The module returns its input while the block runs."""
    module.forward = lambda features: features  # hides the method of the class
    try:
        yield
    finally:
        del module.forward
