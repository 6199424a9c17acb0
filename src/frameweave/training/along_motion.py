"""Tokens along the motion: where the content of a frame's tokens is among those of the next frame."""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from frameweave.diffusion.losses import Followed
from frameweave.errors import InputError
from frameweave.video.motion.warp import moved_back

_TINY = 1e-8


def followed(F_g: Float[Tensor, "G T N C"], motion: Float[Tensor, "G T_minus_1 3 h w"]) -> Followed:
    """The features of each next frame, moved to the tokens of the frame before.

    `motion` is at the latents' size: how far the content of each cell moves until the next frame, x to the
    right and y down, and how surely it is seen there. Layers of fewer tokens get its average.
    """
    clips, frames, tokens, _ = F_g.shape
    size = _grid(tokens, (motion.shape[3], motion.shape[4]))
    flow, weight = _at(motion.flatten(0, 1).to(F_g.device), size)
    after = F_g[:, 1:].flatten(0, 1).float().transpose(1, 2).unflatten(2, size)
    moved, inside = moved_back(after, flow)
    return Followed(
        F_next=moved.flatten(2).transpose(1, 2).unflatten(0, (clips, frames - 1)),
        weight=(weight * inside).flatten(1).unflatten(0, (clips, frames - 1)),
    )


def _at(
    motion: Float[Tensor, "P 3 h w"], size: tuple[int, int]
) -> tuple[Float[Tensor, "P 2 H W"], Float[Tensor, "P 1 H W"]]:
    """Flow in cells of another size, and its weight; what is not seen has no say in the flow."""
    (height, width), flow, weight = size, motion[:, :2], motion[:, 2:]
    if motion.shape[2:] == size:
        return flow, weight
    share = F.adaptive_avg_pool2d(weight, size)
    mean = F.adaptive_avg_pool2d(weight * flow, size) / share.clamp(min=_TINY)
    return mean * mean.new_tensor([width / motion.shape[3], height / motion.shape[2]])[:, None, None], share


def _grid(tokens: int, latents: tuple[int, int]) -> tuple[int, int]:
    """Height and width of a layer's tokens: the latents' size, halved some times.

    >>> _grid(64, (16, 16)), _grid(6, (6, 3))
    ((8, 8), (3, 2))
    """
    height, width = latents
    while height * width > tokens:
        height, width = -(-height // 2), -(-width // 2)
    if height * width != tokens:
        raise InputError(
            f"a layer of {tokens} tokens for latents of {latents[1]} x {latents[0]}, expected half of them "
            "along each side, or a quarter, and so on",
            hint="give --temporal-match place, or other --temporal-layers",
        )
    return height, width
