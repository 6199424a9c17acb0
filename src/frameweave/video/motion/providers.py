"""What estimates optical flow between two pictures."""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from frameweave.video.colours import Picture

Field = NDArray[np.float32]
"""H x W x 2: how far each pixel's content moves, in pixels, x to the right and y down; NaN where unknown."""
FlowProvider = Callable[[Picture, Picture], Field]
"""Gives the flow from the first picture to the second, at the first one's pixels."""
_LEAST = 16
"""Pixels of the shorter side below which OpenCV's DIS refuses some pictures, and crashes on others."""
_LARGE = 1_000_000
"""Pixels above which DIS takes its fast preset."""


@cache
def opencv() -> Any:
    """OpenCV, which is imported when flow is asked for."""
    import cv2  # noqa: PLC0415

    return cv2


def dis(a: Picture, b: Picture) -> Field:
    """OpenCV's dense inverse search (Kroeger et al., ECCV 2016) by its medium preset.

    Above one megapixel it goes by the fast preset. Tiny and narrow pictures, which it cannot take, go by
    Farnebäck's method.
    """
    height, width = a.shape[:2]
    if min(height, width) < _LEAST:
        return farneback(a, b)
    fast, cv2 = height * width > _LARGE, opencv()
    preset = cv2.DISOPTICAL_FLOW_PRESET_FAST if fast else cv2.DISOPTICAL_FLOW_PRESET_MEDIUM
    flow = cv2.DISOpticalFlow.create(preset)
    return np.asarray(flow.calc(_grey(a), _grey(b), np.zeros((height, width, 2), np.float32)), np.float32)


def farneback(a: Picture, b: Picture) -> Field:
    """Farnebäck's method (SCIA 2003)."""
    field = opencv().calcOpticalFlowFarneback(
        _grey(a), _grey(b), np.zeros((*a.shape[:2], 2), np.float32), pyr_scale=0.5, levels=3, winsize=11,
        iterations=5, poly_n=5, poly_sigma=1.1, flags=0,
    )  # fmt: skip
    return np.asarray(field, np.float32)


def none(a: Picture, b: Picture) -> Field:
    """No flow: neighbours count at the same place, as far as their colours agree."""
    return np.zeros((*a.shape[:2], 2), np.float32)


def _grey(picture: Picture) -> NDArray[np.uint8]:
    cv2 = opencv()
    return np.asarray(cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_RGB2GRAY), np.uint8)
