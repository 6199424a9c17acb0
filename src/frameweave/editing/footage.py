"""A video as a stream: what of it is edited, at which size, and how the result is put back.

Frames are read twice, for the model and for the result, and never all held at once.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from frameweave.errors import InputError
from frameweave.video import Picture, TimedPicture, VideoInfo, read_frames, resampled
from frameweave.video.clip import resized_frames


@dataclass(frozen=True)
class Fit:
    """How frames of one size become frames that the model takes: scaled as a whole, then padded."""

    original: tuple[int, int]
    """Width and height, as are the others."""
    scaled: tuple[int, int]
    padded: tuple[int, int]

    @classmethod
    def of(cls, original: tuple[int, int], longer: int, multiple: int) -> "Fit":
        """The longer side becomes `longer`, then both sides grow to whole multiples.

        >>> Fit.of((1280, 720), 512, 64)
        Fit(original=(1280, 720), scaled=(512, 288), padded=(512, 320))
        """
        scale = longer / max(original)
        scaled = tuple(max(1, round(side * scale)) for side in original)
        padded = tuple(-(-side // multiple) * multiple for side in scaled)
        return cls(original, (scaled[0], scaled[1]), (padded[0], padded[1]))

    def apply(self, frames: Float[Tensor, "F 3 H W"]) -> Float[Tensor, "F 3 h w"]:
        right, below = (p - s for p, s in zip(self.padded, self.scaled, strict=True))
        return F.pad(resized_frames(frames, self.scaled), (0, right, 0, below), mode="replicate")

    def undo(self, frames: Float[Tensor, "F 3 h w"]) -> Float[Tensor, "F 3 H W"]:
        width, height = self.scaled
        return resized_frames(frames[:, :, :height, :width], self.original)


@dataclass(frozen=True)
class Footage:
    """The frames of a video, and which of them are edited."""

    info: VideoInfo
    frames: int | None = None
    fps: float | None = None
    start: float | None = None
    end: float | None = None
    """In seconds, as `start`; frames that begin in between are edited."""

    def __post_init__(self) -> None:
        low, high = self.start or 0.0, self.end
        if low < 0 or (high is not None and high <= low):
            until = "the end" if high is None else f"{high:g} s"
            raise InputError(f"from {low:g} s to {until}", hint="give --start before --end, in seconds")

    def check(self) -> None:
        """Raise `InputError` when no frame is edited."""
        whole = self.start is None and self.end is None
        if not whole and not any(self.edited(picture) for picture in self.pictures()):
            raise InputError("no frame lies in the range to edit", hint="check --start and --end")

    def pictures(self) -> Iterator[TimedPicture]:
        """All frames of the result, as the source has them."""
        found = read_frames(self.info.path, first=self.frames)
        return found if self.fps is None else resampled(found, self.fps)

    def edited(self, picture: TimedPicture) -> bool:
        """Whether a frame is edited."""
        after = self.start is None or picture.time >= _as_written(self.start)
        return after and (self.end is None or picture.time < _as_written(self.end))

    def batches(self, fit: Fit, size: int) -> Iterator[Float[Tensor, "F 3 h w"]]:
        """The frames to edit, ready for the model, so many at once."""
        chosen = (picture for picture in self.pictures() if self.edited(picture))
        while pictures := list(islice(chosen, size)):
            stacked = torch.from_numpy(np.stack([picture.pixels for picture in pictures]))
            yield fit.apply(stacked.permute(0, 3, 1, 2).float() / 255)


def _as_written(seconds: float) -> Fraction:
    """The decimal number that was given: 0.1 in binary lies a little after the frame at 1/10 s."""
    return Fraction(str(seconds))


@dataclass(frozen=True)
class Mask:
    """Where to edit: one picture for all frames, or a video of as many."""

    path: Path
    size: tuple[int, int]

    def check(self, frames: int) -> None:
        """Raise `InputError` unless the mask has one frame or as many as are edited."""
        found = sum(1 for _ in read_frames(self.path))
        if found not in (1, frames):
            raise InputError(
                f"{self.path}: {found} frames, {frames} frames are edited",
                hint="give a mask of as many frames, or one picture",
            )

    def weights(self) -> Iterator[NDArray[np.float32]]:
        """Height x width x 1 for each edited frame, 0 to 1; the last one lasts."""
        last: NDArray[np.float32] | None = None
        for picture in read_frames(self.path):
            last = self._weight(picture.pixels)
            yield last
        while last is not None:
            yield last

    def _weight(self, pixels: Picture) -> NDArray[np.float32]:
        grey = torch.from_numpy(pixels.astype(np.float32)).mean(2)[None, None] / 255
        width, height = self.size
        if grey.shape[2:] != (height, width):
            grey = F.interpolate(grey, (height, width), mode="bilinear", align_corners=False)
        return grey[0, 0, :, :, None].numpy()


def laid_over(source: Picture, edited: Picture, weight: NDArray[np.float32]) -> Picture:
    """The edit where the weight is above 0; elsewhere the very bytes of the source."""
    mixed = np.rint(weight * edited + (1 - weight) * source).astype(np.uint8)
    return np.where(weight > 0, mixed, source)
