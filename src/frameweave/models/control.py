"""The depth ControlNet in two parts, so that what depends on the depth alone is computed once.

The stem turns pictures into features; it is the dearest part of a small ControlNet, and neither the
timestep, the guidance branch nor the text changes its result.
"""

from collections.abc import Generator
from contextlib import contextmanager

import torch
from diffusers import ControlNetModel, UNet2DConditionModel
from jaxtyping import Float
from torch import Tensor, nn

from frameweave.models.stock import channels_last

Depth = Float[Tensor, "S 1 H W"]
Embedded = Float[Tensor, "S C h w"]


def embedded(controlnet: ControlNetModel, depth: Depth) -> Embedded:
    """Features of inverse depth in [0, 1], near is 1."""
    picture = depth.expand(-1, 3, -1, -1).contiguous(memory_format=torch.channels_last)
    return controlnet.controlnet_cond_embedding(picture)


def new_controlnet(unet: UNet2DConditionModel, vae_factor: int, seed: int) -> ControlNetModel:
    """One to be trained beside that UNet: a copy of its encoder, which adds nothing yet."""
    channels = (16, 32, 96, 256)[: vae_factor.bit_length()]  # each but the first halves the sides
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        controlnet = ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=channels)
    nn.Module.to(controlnet.requires_grad_(False).eval(), unet.device, unet.dtype)
    return channels_last(controlnet)


def residuals(
    controlnet: ControlNetModel,
    x_t: Tensor,
    t: Tensor | float,
    text: Tensor,
    features: Embedded,
    *,
    scale: float = 1.0,
) -> dict[str, object]:
    """What the ControlNet adds, times `scale`, to the UNet's down and mid blocks: keywords of its call."""
    with _passed_by(controlnet.controlnet_cond_embedding):
        down, mid = controlnet(x_t, t, text, controlnet_cond=features, return_dict=False)
    if scale != 1:
        down, mid = [scale * residual for residual in down], scale * mid
    return {"down_block_additional_residuals": down, "mid_block_additional_residual": mid}


@contextmanager
def _passed_by(module: nn.Module) -> Generator[None, None, None]:
    """The module returns its input while the block runs."""
    module.forward = lambda features: features  # hides the method of the class
    try:
        yield
    finally:
        del module.forward
