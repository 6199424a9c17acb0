"""`FrameGroup`: adjacent frames of one clip with their captions, the unit that adaptors train on."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True, eq=False)
class FrameGroup:
    """F adjacent frames in [0, 1]; inverse depth in [0, 1] (near is 1) when it is known."""

    frames: Float[Tensor, "F 3 H W"]
    captions: tuple[str, ...]
    depth: Float[Tensor, "F 1 H W"] | None = None
    motion: Float[Tensor, "F_minus_1 3 H W"] | None = None
    """Of each frame but the last, where it is known exactly and frames are square: how far each pixel's
    content moves until the next frame, in pixels, x to the right and y down, and 1 where it is seen there."""


@runtime_checkable
class GroupSource(Protocol):
    """Groups by their number, so that a run goes on exactly where it stopped."""

    def __len__(self) -> int: ...

    def key(self, index: int) -> str:
        """A name of the group's content, known without decoding it; the cache is keyed by it."""
        ...

    def group(self, index: int) -> FrameGroup: ...


@runtime_checkable
class EncodedSource(Protocol):
    """A source that may hold groups encoded already, by encoders that a short print names."""

    def encoded(self, index: int, print_: str) -> tuple[dict[str, Tensor], tuple[str, ...]] | None:
        """A group's tensors by name and its captions; None when it is not encoded by these."""
        ...


def squared(frames: Float[Tensor, "F C H W"], pixels: int, *, crop: bool) -> Float[Tensor, "F C p p"]:
    """Square pictures: the centre at the short side's scale, or everything squashed.

    >>> import torch
    >>> squared(torch.rand(1, 3, 20, 40), 8, crop=True).shape
    torch.Size([1, 3, 8, 8])
    """
    height, width = frames.shape[2:]
    if (height, width) == (pixels, pixels):
        return frames
    scale = pixels / min(height, width)
    size = (
        (max(pixels, round(height * scale)), max(pixels, round(width * scale))) if crop else (pixels, pixels)
    )
    scaled = F.interpolate(frames, size, mode="bicubic", antialias=True, align_corners=False).clamp(0, 1)
    top, left = (size[0] - pixels) // 2, (size[1] - pixels) // 2
    return scaled[:, :, top : top + pixels, left : left + pixels]
