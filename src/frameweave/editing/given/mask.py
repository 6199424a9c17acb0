"""Where to edit: a picture or a video that is white there."""

from collections.abc import Iterator
from dataclasses import dataclass
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

_UNLIKE = 0.02
"""By which share a mask's shape may differ from the video's."""
_WHITE = 250
"""The value from which on a mask counts as white: lossy videos have no pure white."""
_BLACK = 5 / 255
"""The weight up to which a mask counts as black, for the same reason."""
Weights = NDArray[np.float32]
"""Height x width x 1, 0 to 1."""


@dataclass(frozen=True)
class Mask:
    """One picture for all frames, or a video of as many. What is transparent counts as black.

    Grey edits in part. A mask whose greatest value is 1 of 255 holds numbers, not greys: 1 is white.
    """

    path: Path
    size: tuple[int, int]

    def check(self, frames: int) -> tuple[str, ...]:
        """Notes on the mask, in words.

        Raises `InputError` unless it has one frame or as many as are edited, the video's shape, and a place
        to edit.
        """
        found, greatest, least = 0, 0, 255
        for picture in read_frames(self.path, background=0):
            if not found:
                check_shape(self.path, picture.pixels, self.size, what="a mask")
            found += 1
            greatest, least = max(greatest, int(picture.pixels.max())), min(least, int(picture.pixels.min()))
        if found not in (1, frames):
            raise InputError(
                f"{self.path}: a mask of {found} frames, expected {frames}, as many as are edited",
                hint="give a mask of as many frames, or one picture for all",
            )
        if greatest == 0:
            raise InputError(
                f"{self.path}: the mask is all black, so nothing would be edited",
                hint="paint white where to edit",
            )
        numbers = greatest == 1
        notes = ["the mask's values are 0 and 1: 1 is taken for white"] if numbers else []
        if least >= (1 if numbers else _WHITE):
            notes.append("the mask is white everywhere: all of each frame is edited")
        return tuple(notes)

    def weights(self) -> Iterator[Weights]:
        """Those of each edited frame; the last one lasts."""
        whole = 1 if self._is_numbers() else 255
        last: Weights | None = None
        for picture in read_frames(self.path, background=0):
            last = self._weight(picture.pixels, whole)
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

    def _is_numbers(self) -> bool:
        tops = (int(picture.pixels.max()) for picture in read_frames(self.path, background=0))
        return not any(top > 1 for top in tops)

    def _weight(self, pixels: Picture, whole: int) -> Weights:
        grey = torch.from_numpy(pixels.astype(np.float32)).mean(2)[None, None] / whole
        width, height = self.size
        if grey.shape[2:] != (height, width):
            grey = F.interpolate(grey, (height, width), mode="bilinear", align_corners=False)
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
