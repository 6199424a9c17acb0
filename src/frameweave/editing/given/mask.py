"""Where to edit: a picture or a video that is white there."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice, repeat
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from frameweave.editing.footage import Fit
from frameweave.errors import InputError
from frameweave.video import Picture, read_frames
from frameweave.video.sequences import is_pictures

_UNLIKE = 0.02
"""By which share a mask's shape may differ from the video's."""
_WHITE = 250
"""The value from which on a mask counts as white: lossy videos have no pure white."""
_BLACK = 5 / 255
"""The weight up to which a mask counts as black, for the same reason."""
_NUMBER = 31
"""The value up to which the greatest of a picture is the number of an object, and no grey."""
_COLOURED = 40
"""By how much the channels of a colour differ at least: lossy greys differ too."""
_DARK = 24
"""The value up to which all channels of a coloured mask are its background."""
Weights = NDArray[np.float32]
"""Height x width x 1, 0 to 1."""


@dataclass(frozen=True)
class _Values:
    """What values a mask has, over all its frames."""

    frames: int
    greatest: int
    darkest: int
    """The least of what is greatest in a pixel."""
    coloured: bool
    numbers: bool
    """Whether they number objects: small numbers, which as greys would hardly edit anything."""

    @property
    def notes(self) -> tuple[str, ...]:
        """How the mask is understood, in words."""
        found, white = [], _WHITE
        if self.coloured:
            found, white = ["the mask has colours: all that is not black is edited"], _DARK + 1
        elif self.numbers:
            found, white = [f"the mask's values are numbers up to {self.greatest}: all but 0 is edited"], 1
        elif self.greatest < _WHITE:
            found = [f"the mask is white nowhere: its lightest grey, {self.greatest} of 255, edits in part"]
        if self.darkest >= white:
            found.append("the mask is white everywhere: all of each frame is edited")
        return tuple(found)


@dataclass(frozen=True)
class Mask:
    """One picture for all frames, or a video of as many. What is transparent counts as black.

    Grey edits in part. Label pictures are masks too: where a mask has colours, or small numbers in place of
    greys, all that is not black is white.
    """

    path: Path
    size: tuple[int, int]

    def check(self, frames: int) -> tuple[str, ...]:
        """Notes on the mask, in words.

        Raises `InputError` unless it has one frame or as many as are edited, the video's shape, and a place
        to edit.
        """
        first = next(read_frames(self.path, first=1, background=0)).pixels
        check_shape(self.path, first, self.size, what="a mask")
        found = self._values
        if found.frames not in (1, frames):
            raise InputError(
                f"{self.path}: a mask of {found.frames} frames, expected {frames}, as many as are edited",
                hint="give a mask of as many frames, or one picture for all",
            )
        if found.greatest == 0:
            raise InputError(
                f"{self.path}: the mask is all black, so nothing would be edited",
                hint="paint white where to edit; of 16 bits a pixel, 65535 is white and 1 is black",
            )
        return found.notes

    def weights(self) -> Iterator[Weights]:
        """Those of each edited frame; the last one lasts."""
        last: Weights | None = None
        for picture in read_frames(self.path, background=0):
            last = self._weight(picture.pixels)
            yield last
        if last is not None:
            yield from repeat(last)

    def region(self, frames: int, fit: Fit, size: tuple[int, int]) -> Float[Tensor, "frames 1 h w"]:
        """1 where something of a latent's pixels is edited, else 0; of so many edited frames.

        The latents' size is height and width, and frames are brought to the model as `fit` says.
        """
        last: Weights | None = None
        regions: list[Tensor] = []
        for weight in islice(self.weights(), frames):
            same = weight is last  # one picture lasts for all frames
            last = weight
            regions.append(regions[-1] if same else _pooled(weight, fit, size))
        return torch.cat(regions)

    @cached_property
    def _values(self) -> _Values:
        frames, greatest, darkest, spread = 0, 0, 255, 0
        for picture in read_frames(self.path, background=0):
            top, bottom = picture.pixels.max(2), picture.pixels.min(2)
            frames += 1
            greatest, darkest = max(greatest, int(top.max())), min(darkest, int(top.min()))
            spread = max(spread, int((top - bottom).max()))
        most = _NUMBER if is_pictures(self.path) else 1  # black of a lossy video has small values as well
        numbers = greatest <= most and spread == 0
        return _Values(frames, greatest, darkest, coloured=spread >= _COLOURED, numbers=numbers)

    def _weight(self, pixels: Picture) -> Weights:
        found = self._values
        if found.coloured or found.numbers:
            white = pixels.max(2, keepdims=True) > (0 if found.numbers else _DARK)
            values = white.astype(np.float32)
        else:
            values = pixels.mean(2, dtype=np.float32, keepdims=True) / 255
        grey = torch.from_numpy(values).permute(2, 0, 1)[None]
        width, height = self.size
        if grey.shape[2:] != (height, width):
            size = (height, width)  # antialiased, or thin parts of a large mask would fall between pixels
            grey = F.interpolate(grey, size, mode="bilinear", align_corners=False, antialias=True)
        return grey[0, 0, :, :, None].numpy()


def _pooled(weights: Weights, fit: Fit, size: tuple[int, int]) -> Float[Tensor, "1 1 h w"]:
    """The greatest weight counts: where the edit ends is told by the mask itself, pixel by pixel."""
    (width, height), (right, below) = fit.scaled, (p - s for p, s in zip(fit.padded, fit.scaled, strict=True))
    scaled = F.adaptive_max_pool2d(torch.from_numpy(weights).permute(2, 0, 1)[None], (height, width))
    padded = F.pad(scaled, (0, right, 0, below), mode="replicate")
    return (F.adaptive_max_pool2d(padded, size) > _BLACK).float()


def check_shape(path: Path, pixels: Picture, size: tuple[int, int], *, what: str) -> None:
    """Raise `InputError` for a picture of another shape than the video's, which has `size` pixels."""
    height, width = pixels.shape[:2]
    if abs(width * size[1] / (height * size[0]) - 1) > _UNLIKE + 1 / min(width, height):
        raise InputError(
            f"{path}: {what} of {width} x {height} pixels, the video has {size[0]} x {size[1]}",
            hint=f"give {what} with the aspect ratio of the video, as the video is shown",
        )


def laid_over(source: Picture, edited: Picture, weight: Weights) -> Picture:
    """The edit where the weight is above 0; elsewhere the very bytes of the source."""
    mixed = np.rint(weight * edited + (1 - weight) * source).astype(np.uint8)
    return np.where(weight > 0, mixed, source)
