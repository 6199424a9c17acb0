"""How quickly this machine computes: from one timed call of the network, or roughly from a matrix product."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Literal

import torch

from frameweave.models.running.meter import Meter
from frameweave.models.seam import Guides
from frameweave.models.stable_diffusion import StableDiffusion

_SIDE = 512
_SHARE = 0.5
"""How much of a matrix product's speed a whole network reaches, roughly."""
_MOST = 4
"""Frames in the call that is timed."""
_T = 500
_AT_LEAST, _AT_MOST = 2, 20
"""Times that something is timed."""


@dataclass(frozen=True, kw_only=True)
class Speed:
    """Operations per second, how far it may be from that, and what tells so."""

    flops_per_second: float
    quicker: float
    """The quickest of what was timed, in shares of its usual time: at most 1."""
    slower: float
    """The slowest of it, at least 1: how far other programs may be in the way."""
    told_by: Literal["one timed call of the network", "a matrix product, which is rough"]


def rough(device: torch.device, dtype: torch.dtype) -> Speed:
    """From a product of two matrices, in milliseconds; the network may be half or twice as quick."""
    a = torch.ones(_SIDE, _SIDE, device=device, dtype=dtype)
    seconds = median(_seconds(lambda: a @ a, device))
    return Speed(
        flops_per_second=_SHARE * 2 * _SIDE**3 / seconds,
        quicker=0.5,
        slower=2,
        told_by="a matrix product, which is rough",
    )


@torch.no_grad()
def timed(model: StableDiffusion, shapes: StableDiffusion, latents: tuple[int, int], pictures: int) -> Speed:
    """From a call of the model's UNet with latents of (height, width), after one that warms it up.

    `shapes` is the model without values; `pictures` is how many go into the largest call of the edit.
    """
    frames = max(1, min(_MOST, pictures // 2))

    def call(model: StableDiffusion, device: torch.device) -> None:
        x = torch.zeros(frames, model.channels, *latents, device=device, dtype=model.dtype)
        guides = Guides(picture=x if model.takes_picture else None)
        model.predict(x, _T, model.conditioning(["", "a video"], guides))

    with Meter(model.device) as meter:
        call(shapes, torch.device("meta"))
    call(model, model.device)
    seconds = _seconds(lambda: call(model, model.device), model.device)
    usual = median(seconds)
    return Speed(
        flops_per_second=meter.flops / usual,
        quicker=min(seconds) / usual,
        slower=max(seconds) / usual,
        told_by="one timed call of the network",
    )


def _seconds(work: Callable[[], object], device: torch.device) -> list[float]:
    """Of each of as many as fit into a second."""
    found: list[float] = []
    while len(found) < _AT_LEAST or (len(found) < _AT_MOST and sum(found) < 1):
        start = time.perf_counter()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        found.append(max(time.perf_counter() - start, 1e-9))
    return found
