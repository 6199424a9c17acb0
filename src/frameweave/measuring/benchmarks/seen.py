"""How benchmarks prepare pictures for DINO networks, and compare what is seen in neighbouring frames."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from frameweave.measuring.metrics.backbones.dino import normalised
from frameweave.measuring.metrics.base import Frames

_RESIZED, _CUT = 256, 224  # pixels of the shorter side, and of the square that is cut out of its middle


def cut(frames: Frames, side: int) -> Float[Tensor, "F 3 side side"]:
    """As the second DINO's own preparation: resized a little larger, the middle cut out, normalised."""
    height, width = frames.shape[2:]
    short = round(side * _RESIZED / _CUT)
    scale = short / min(height, width)
    size = (max(short, int(height * scale)), max(short, int(width * scale)))
    resized = F.interpolate(frames, size, mode="bicubic", antialias=True, align_corners=False).clamp(0, 1)
    top, left = (size[0] - side) // 2, (size[1] - side) // 2
    return normalised(resized[:, :, top : top + side, left : left + side])


def squashed(frames: Frames, side: int) -> Float[Tensor, "F 3 side side"]:
    """As a square, whatever the shape was, and normalised."""
    return normalised(
        F.interpolate(frames, (side, side), mode="bilinear", antialias=True, align_corners=False)
    )


def neighbours(features: Float[Tensor, "F D"]) -> float:
    """Mean cosine of neighbouring frames, where a negative one counts as 0."""
    unit = F.normalize(features, dim=1)
    return float((unit[1:] * unit[:-1]).sum(1).clamp(min=0).mean())


def neighbours_and_first(features: Float[Tensor, "F D"]) -> float:
    """Mean cosine of each later frame with the one before it and with the first, likewise."""
    unit = F.normalize(features, dim=1)
    before, first = (unit[1:] * unit[:-1]).sum(1), unit[1:] @ unit[0]
    return float(torch.stack([before, first]).clamp(min=0).mean())
