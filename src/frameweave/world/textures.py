"""Background tiles of the Miniature's world: small periodic pictures drawn by formula."""

from functools import cache

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from frameweave.world.scene import WORDS

TILE = 128

Picture = NDArray[np.float64]


def _noise(seed: int, *, x_scale: float, y_scale: float) -> Picture:
    """Smooth periodic noise with zero mean and unit deviation; scales are in pixels."""
    white = np.random.default_rng(seed).standard_normal((TILE, TILE))
    fy, fx = np.meshgrid(np.fft.fftfreq(TILE), np.fft.fftfreq(TILE), indexing="ij")
    smooth = np.exp(-2 * np.pi**2 * ((fx * x_scale) ** 2 + (fy * y_scale) ** 2))
    field = np.real(np.fft.ifft2(np.fft.fft2(white) * smooth))
    return (field - field.mean()) / field.std()


def _mix(a: tuple[float, ...], b: tuple[float, ...], share: Picture) -> Picture:
    """Colour a where share is 0, colour b where it is 1: 3 H W."""
    weight = np.clip(share, 0, 1)
    return np.array(a)[:, None, None] * (1 - weight) + np.array(b)[:, None, None] * weight


def _soft(x: Picture, width: float = 1.2) -> Picture:
    """A step at 0 whose edge is `width` pixels wide."""
    return np.clip(0.5 + x / width, 0, 1)


def _draw(name: str) -> Picture:
    y, x = np.mgrid[0:TILE, 0:TILE] + 0.5
    match name:
        case "grass":
            return _mix(
                (0.33, 0.56, 0.22), (0.47, 0.68, 0.28), 0.5 + 0.25 * _noise(1, x_scale=1.6, y_scale=6)
            )
        case "sky":
            return _mix((0.45, 0.72, 0.96), (0.97, 0.98, 1.0), 0.9 * (_noise(2, x_scale=10, y_scale=6) - 0.3))
        case "sand":
            ripple = np.sin(2 * np.pi * (y / 16 + 0.2 * np.sin(2 * np.pi * x / 64)))
            return _mix((0.84, 0.72, 0.46), (0.95, 0.86, 0.62), 0.5 + 0.4 * ripple)
        case "snow":
            flakes = _soft(_noise(4, x_scale=3, y_scale=3) - 1.0, width=1.0)
            return _mix((0.76, 0.83, 0.91), (1.0, 1.0, 1.0), flakes)
        case "bricks":
            along = (x + 16 * (np.floor(y / 16) % 2)) % 32
            mortar = np.maximum(_soft(3.0 - y % 16, width=2), _soft(3.0 - along, width=2))
            return _mix((0.68, 0.35, 0.27), (0.80, 0.68, 0.60), mortar)
        case "stripes":
            return _mix((0.93, 0.68, 0.77), (0.98, 0.93, 0.93), _soft(np.abs(x % 32 - 16) - 8, width=2))
        case "checkers":
            wave = np.sin(2 * np.pi * x / 32) * np.sin(2 * np.pi * y / 32)
            return _mix((0.50, 0.52, 0.55), (0.74, 0.75, 0.77), _soft(wave, width=0.4))
        case "wood":
            plank = np.floor(y / 16)
            grain = _noise(8, x_scale=12, y_scale=1.0) + 0.8 * (plank % 3 - 1)
            planks = _mix((0.45, 0.28, 0.16), (0.66, 0.45, 0.27), 0.5 + 0.25 * grain)
            return _mix((0.26, 0.15, 0.09), (1.0, 1.0, 1.0), _soft(y % 16 - 1.5)) * planks
        case "water":
            swell = np.sin(2 * np.pi * (x / 32 + 0.25 * np.sin(2 * np.pi * y / 64))) + np.sin(
                2 * np.pi * y / 8
            )
            return _mix((0.05, 0.42, 0.50), (0.55, 0.86, 0.84), 0.4 + 0.25 * swell)
        case "leaves":
            leaf = np.abs(_noise(10, x_scale=3.5, y_scale=3.5)) - 0.25
            tone = 0.5 + 0.35 * _noise(11, x_scale=6, y_scale=6)
            return _mix((0.04, 0.16, 0.08), (1.0, 1.0, 1.0), _soft(leaf, width=0.5)) * _mix(
                (0.14, 0.42, 0.20), (0.46, 0.68, 0.24), tone
            )
        case "honeycomb":
            directions = np.array([(8, 0), (4, 7), (4, -7)])[:, :, None, None]
            waves = np.cos(2 * np.pi * (x * directions[:, 0] + y * directions[:, 1]) / TILE).sum(0)
            return _mix((0.72, 0.48, 0.10), (0.98, 0.84, 0.38), _soft(waves + 0.9, width=0.5))
        case _:
            raise AssertionError(name)


@cache
def tiles() -> Float[Tensor, "B 3 T T"]:
    """One tile per background in the order of `WORDS`, values in [0, 1]."""
    return torch.from_numpy(np.stack([_draw(name) for name in WORDS["background"]]).astype("float32"))
