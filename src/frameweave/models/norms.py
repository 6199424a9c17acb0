"""Group norms whose statistics span all frames of a clip, as in editors born from inflated 3-D UNets."""

from collections.abc import Callable, Generator
from contextlib import contextmanager

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

_PER_FRAME = "attentions"  # transformers fold the frames into the batch before their own norm


def frame_norms(network: nn.Module, *, also_in_transformers: bool = False) -> list[nn.GroupNorm]:
    """The group norms of a UNet that lie outside its transformers: those of the ResNets and the output."""
    return [
        layer
        for name, layer in network.named_modules()
        if isinstance(layer, nn.GroupNorm) and (also_in_transformers or _PER_FRAME not in name.split("."))
    ]


@contextmanager
def over_frames(
    network: nn.Module, frames: int, *, also_in_transformers: bool = False
) -> Generator[None, None, None]:
    """While the block runs, group norms take mean and variance over `frames` successive batch entries.

    The batch is branch-major, so each guidance branch has statistics of its own; any number of
    branches may be in it. Norms inside transformers stay per frame, unless they are asked for too.
    An inflated UNet (B C F H W) does the same: its convolutions fold the frames into the batch, its
    norms do not.
    """
    layers = frame_norms(network, also_in_transformers=also_in_transformers)
    before = [layer.__dict__.get("forward") for layer in layers]
    try:
        for layer in layers:
            layer.forward = _joint(layer, frames)  # pyright: ignore[reportAttributeAccessIssue]
        yield
    finally:
        for layer, forward in zip(layers, before, strict=True):
            layer.__dict__.pop("forward", None)
            if forward is not None:
                layer.forward = forward


def group_norm_over_frames(
    x: Float[Tensor, "BF C H W"], frames: int, layer: nn.GroupNorm
) -> Float[Tensor, "BF C H W"]:
    """The layer's group norm over (channels of a group, frames, height, width) of every branch.

    Frames are stacked along the height, which is a view of a channels-last tensor and not a copy.
    """
    batch, channels, height, width = x.shape
    assert batch % frames == 0, f"a batch of {batch} is no whole number of clips of {frames} frames"
    tall = x.permute(0, 2, 3, 1).reshape(batch // frames, frames * height, width, channels)
    tall = tall.permute(0, 3, 1, 2)
    y = F.group_norm(tall, layer.num_groups, layer.weight, layer.bias, layer.eps)
    return y.permute(0, 2, 3, 1).reshape(batch, height, width, channels).permute(0, 3, 1, 2)


def _joint(layer: nn.GroupNorm, frames: int) -> Callable[[Tensor], Tensor]:
    def forward(x: Tensor) -> Tensor:
        return group_norm_over_frames(x, frames, layer)

    return forward
