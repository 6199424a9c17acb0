"""A video as a stream: what of it is edited, at which size, and how the result is put back.

Frames are read twice, for the model and for the result, and never all held at once.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import islice

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from frameweave.errors import InputError
from frameweave.models.stable_diffusion import StableDiffusion
from frameweave.progress import SILENT, Progress
from frameweave.video import TimedPicture, Timeline, VideoInfo, read_frames, resampled, timeline
from frameweave.video.clip import Clip, as_frames, resized_frames
from frameweave.video.reading import rate_of
from frameweave.video.seeking import frames_between

BATCH = 16
"""Frames that are read, encoded, decoded and written at once."""


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

    @classmethod
    def for_model(cls, model: StableDiffusion, original: tuple[int, int], longer: int | None) -> "Fit":
        """With the longer side that is asked for, else with the model's own for frames of that shape."""
        return cls.of(original, longer or model.longer_side(original), model.multiple)

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
    """Of the result; pictures, which have no times of their own, are shown at it."""
    start: float | None = None
    end: float | None = None
    """In seconds, as `start`; frames that begin in between are edited."""

    def __post_init__(self) -> None:
        low, high = self.start or 0.0, self.end
        if low < 0 or (high is not None and high <= low):
            until = "the end" if high is None else f"{high:g} s"
            raise InputError(
                f"a range from {low:g} s to {until}, expected a start of at least 0 s and an end after it",
                hint="check --start and --end",
            )
        if self.fps is not None:
            rate_of(self.fps)

    @property
    def rate(self) -> Fraction:
        """Average frames per second of the result."""
        return self.info.fps if self.fps is None else rate_of(self.fps)

    def written(self, note: Callable[[str], object]) -> Iterator[TimedPicture]:
        """As `pictures`, without those that turn out to be damaged: an edit is never lost to the others."""
        last = Fraction(-1)
        try:
            for picture in self.pictures():
                last = picture.time
                yield picture
        except InputError as error:
            if error.reason != "truncated":
                raise
            note(f"{error}; what follows is left out but for the edited frames")
            yield from (picture for picture in self.edited_pictures() if picture.time > last)

    @property
    def length(self) -> int | None:
        """Frames of the result, as far as they are known beforehand."""
        if self.fps is not None and self.info.timed:
            return None
        return len(self._line) if self.frames is None else min(self.frames, len(self._line))

    @property
    def is_whole(self) -> bool:
        """Whether the result has all frames of the source."""
        return self.frames is None or self.frames >= len(self._line)

    def check(self, progress: Progress = SILENT) -> "Checked":
        """Decode what is edited once, so that damage is told before any work.

        Raises `InputError` when no frame is edited, or one of them cannot be decoded.
        """
        notes = dict.fromkeys(self.info.notes)
        notes.update(dict.fromkeys(self._line.notes))
        if not self.info.timed:
            notes[f"pictures are shown at {float(self.rate):g} frames per second"] = None
        chosen = self.edited_pictures(lambda note: notes.setdefault(note, None))
        count = sum(1 for _ in progress.track(chosen, "frames looked at", self.in_range))
        if not count:
            among = "" if self.frames is None else f", among the first {self.frames} of the video"
            raise InputError(
                f"no frame lies in the range to edit{among}",
                hint="check --start and --end" + (" and --frames" if among else ""),
            )
        return Checked(count, tuple(notes))

    @property
    def in_range(self) -> int | None:
        """How many frames are edited, as far as that is known beforehand."""
        if self.length is None or self.fps is not None:
            return self.length
        times = self._line.times[: self.length]
        return sum(self.edited_at(time) for time in times)

    @cached_property
    def _line(self) -> Timeline:
        return timeline(self.info.path, torn=True)

    @property
    def numbers(self) -> Sequence[int]:
        """Which frames of the video are edited; empty where the result has frames of its own."""
        if self.fps is not None:
            return ()
        times = self._line.times[: self.length]
        return [number for number, time in enumerate(times) if self.edited_at(time)]

    @property
    def whole(self) -> int:
        """Frames of the video."""
        return len(self._line)

    def pictures(self, note: Callable[[str], object] = SILENT.note) -> Iterator[TimedPicture]:
        """All frames of the result, as the source has them."""
        found = read_frames(self.info.path, first=self.frames, note=note)
        return found if self.fps is None else self._at_rate(found, self.fps)

    def _at_rate(self, found: Iterator[TimedPicture], fps: float) -> Iterator[TimedPicture]:
        if self.info.timed:
            return resampled(found, fps)
        lasts = 1 / rate_of(fps)
        return (TimedPicture(one.pixels, number * lasts, lasts) for number, one in enumerate(found))

    def edited(self, picture: TimedPicture) -> bool:
        """Whether a frame is edited."""
        return self.edited_at(picture.time)

    def edited_at(self, time: Fraction) -> bool:
        """Whether a frame that starts at this time is edited."""
        after = self.start is None or time >= _as_written(self.start)
        return after and (self.end is None or time < _as_written(self.end))

    def edited_pictures(self, note: Callable[[str], object] = SILENT.note) -> Iterator[TimedPicture]:
        """Those that are edited; where the file allows it, what lies before is not decoded."""
        line = self._line
        if self.start is None or self.fps is not None or not line.stamps:
            found = self.pictures(note)
        else:
            count = len(line) if self.frames is None else min(self.frames, len(line))
            since = line.first_from(_as_written(self.start))
            found = frames_between(self.info.path, line, since, count, note=note)
        for picture in found:
            if self.end is not None and picture.time >= _as_written(self.end):
                return
            if self.edited(picture):
                yield picture

    def batches(self, fit: Fit, size: int) -> Iterator[Float[Tensor, "F 3 h w"]]:
        """The frames to edit, ready for the model, so many at once."""
        chosen = self.edited_pictures()
        while pictures := list(islice(chosen, size)):
            yield _fitted(pictures, fit)

    def clip(self, fit: Fit, most: int) -> Clip:
        """The frames to edit, ready for the model, with their times from 0 on; at most so many."""
        chosen, frames, times = islice(self.edited_pictures(), most), list[Tensor](), list[Fraction]()
        end = Fraction(0)
        while pictures := list(islice(chosen, BATCH)):
            frames.append(_fitted(pictures, fit))
            times += [picture.time for picture in pictures]
            end = pictures[-1].time + pictures[-1].duration
        shifted = tuple(time - times[0] for time in (*times, end))
        info = self.info
        return Clip(torch.cat(frames), shifted, pixel_shape=info.pixel_shape, colours=info.colours)


def _fitted(pictures: Sequence[TimedPicture], fit: Fit) -> Float[Tensor, "F 3 h w"]:
    return fit.apply(as_frames(np.stack([picture.pixels for picture in pictures])))


@dataclass(frozen=True)
class Checked:
    """What was found before the work."""

    edited: int
    """Frames that are edited."""
    notes: tuple[str, ...]
    """What is mended, and what is lost, in words."""


def _as_written(seconds: float) -> Fraction:
    """The decimal number that was given: 0.1 in binary lies a little after the frame at 1/10 s."""
    return Fraction(str(seconds))
