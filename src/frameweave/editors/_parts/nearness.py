"""How near the pictures of one clip's latents are to those of another's."""

import torch

from frameweave.models.seam import Latents, Model

_BATCH = 16  # frames that are decoded at once


def decibels(model: Model, x: Latents, y: Latents) -> float:
    """Their PSNR: of equal ones 100."""
    squares = [
        (model.decode(a) - model.decode(b)).square().mean((1, 2, 3))
        for a, b in zip(x.split(_BATCH), y.split(_BATCH), strict=True)
    ]
    return float(-10 * torch.cat(squares).mean().clamp(min=1e-10).log10())
