"""Which frames of a clip become groups of adjacent frames: a function of seed and clip id alone."""

import hashlib
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from frameweave.data.options import GroupSettings
from frameweave.video import Picture

_ROUGH = 32


def candidates(clip: str, count: int, settings: GroupSettings) -> list[list[int]]:
    """For each group of a clip of `count` frames, the first frames to try, in order.

    The clip falls into equal parts, one for each group, so that groups spread over it. Empty when
    the clip is shorter than a group.

    >>> [len(tries) for tries in candidates("video7", 30, GroupSettings(per_clip=3, tries=2))]
    [2, 2, 2]
    >>> candidates("video7", 2, GroupSettings())
    []
    """
    span = settings.span
    groups = min(settings.per_clip, count // span)
    if groups < 1:
        return []
    digest = hashlib.sha256(f"{settings.seed} {clip}".encode()).digest()
    rng = np.random.default_rng(list(digest))
    edges = [part * count // groups for part in range(groups + 1)]
    # a group ends in its own part, so that two groups never share a frame
    parts = [range(a, b - span + 1) for a, b in pairwise(edges)]
    return [[int(part[k]) for k in rng.permutation(len(part))[: settings.tries]] for part in parts]


def members(first: int, settings: GroupSettings) -> list[int]:
    """The frames of the group that begins at `first`."""
    return [first + k * settings.stride for k in range(settings.frames)]


Rough = NDArray[np.float32]
"""A picture of 32 x 32 x 3 in [0, 1], for comparing."""


def fault(rough: list[Rough], settings: GroupSettings) -> str:
    """Why neighbours that look like this are no group: "cut", "still", or nothing."""
    steps = [float(np.abs(a - b).mean()) for a, b in pairwise(rough)]
    if any(step > settings.cut for step in steps):
        return "cut"
    return "still" if steps and all(step <= settings.still for step in steps) else ""


def roughly(picture: Picture) -> Rough:
    """The whole picture, squashed."""
    image = Image.fromarray(picture)
    whole = image.reduce((max(1, image.width // _ROUGH), max(1, image.height // _ROUGH)))
    small = whole.resize((_ROUGH, _ROUGH), Image.Resampling.BOX)
    return np.asarray(small, np.float32) / np.float32(255)


def fitted(picture: Picture, settings: GroupSettings, *, aspect: float | None = None) -> Image.Image:
    """The square picture: its centre at the short side's scale, or all of it; see `shown_part`."""
    return Image.fromarray(picture).resize(
        (settings.size, settings.size),
        Image.Resampling.BICUBIC,
        box=shown_part(picture.shape[1], picture.shape[0], settings, aspect=aspect),
        reducing_gap=3.0,
    )


def shown_part(
    width: int, height: int, settings: GroupSettings, *, aspect: float | None = None
) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of what is kept of a picture.

    `aspect` is its width over its height as it is shown, where its pixels are not square.

    >>> shown_part(320, 240, GroupSettings())
    (40.0, 0.0, 280.0, 240.0)
    >>> shown_part(320, 240, GroupSettings(), aspect=2)
    (80.0, 0.0, 240.0, 240.0)
    """
    if settings.resize == "squash":
        return 0, 0, width, height
    across, down = (height, width) if aspect is None else (width / aspect, height * aspect)
    left, top = max(0.0, (width - across) / 2), max(0.0, (height - down) / 2)
    return left, top, width - left, height - top
