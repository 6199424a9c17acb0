"""Clips whose motion is known."""

import torch


def panning(frames: int, step: int, height: int = 48, width: int = 64) -> torch.Tensor:
    """A smooth random texture that moves to the right by `step` pixels a frame."""
    wide = torch.rand(1, 3, height, width + step * frames, generator=torch.Generator().manual_seed(0))
    smooth = torch.nn.functional.avg_pool2d(wide, 7, stride=1, padding=3)[0]
    starts = [step * (frames - f) for f in range(frames)]
    return torch.stack([smooth[:, :, at : at + width] for at in starts]).mul(2).sub(0.5).clamp(0, 1)
