"""Pictures that steer, made from the frames themselves: edges, lines, the picture itself."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from frameweave.models.seam import ControlMap
from frameweave.video.clip import picture_of

_CANNY = (100, 200)
"""Gradients above which an edge goes on, and begins: those that ControlNets of this kind were shown."""
_LINE, _AROUND = 0.7, 4.0
"""Pixels by which a line, and what lies around it, are blurred before they are compared."""
_DARKER = 48.0
"""How much darker than what lies around it, of 255, a full line is."""
_STROKE = 0.5
"""The strength of a line from which on a stroke is drawn."""

Pixels = NDArray[np.uint8]


def made_map(kind: str, frames: Float[Tensor, "F 3 H W"]) -> ControlMap:
    """The pictures of a kind in `MADE`, in [0, 1], of frames in [0, 1], each from its frame alone."""
    return MADE[kind](frames)


def _each(frames: Tensor, drawn: Callable[[Any, Pixels], NDArray[Any]]) -> ControlMap:
    """What OpenCV draws of every frame, 0 to 255, as one channel."""
    import cv2  # noqa: PLC0415 - only where such pictures are made

    pictures = [drawn(cv2, np.ascontiguousarray(picture_of(frame))) for frame in frames]
    return torch.from_numpy(np.stack(pictures)).float()[:, None] / 255


def _canny(frames: Tensor) -> ControlMap:
    """White edges on black."""
    return _each(frames, lambda cv2, frame: cv2.Canny(frame, *_CANNY))


def _lineart(frames: Tensor) -> ControlMap:
    """White lines on black where the picture is darker than around: a difference of Gaussians."""

    def drawn(cv2: Any, frame: Pixels) -> NDArray[Any]:
        grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY).astype(np.float32)
        darker = cv2.GaussianBlur(grey, (0, 0), _AROUND) - cv2.GaussianBlur(grey, (0, 0), _LINE)
        return np.clip(darker / _DARKER, 0, 1) * 255

    return _each(frames, drawn)


def _scribble(frames: Tensor) -> ControlMap:
    """Strong lines as white strokes of one brightness."""
    lines = (_lineart(frames) >= _STROKE).float()
    return torch.nn.functional.max_pool2d(lines, 3, stride=1, padding=1)


def _tile(frames: Tensor) -> ControlMap:
    """The picture itself, for ControlNets that add details to it."""
    return frames


MADE: Mapping[str, Callable[[Tensor], ControlMap]] = {
    "canny": _canny,
    "lineart": _lineart,
    "scribble": _scribble,
    "tile": _tile,
}
"""By kind, how its pictures are made; depth is estimated by a network, others are given."""
