"""An edited video and its source, frame beside frame."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import numpy as np

from frameweave.editing.footage import Footage
from frameweave.editing.given.mask import Mask, Weights, check_shape
from frameweave.errors import InputError
from frameweave.video import Picture, TimedPicture, VideoInfo, read_frames
from frameweave.video.clip import as_frames, picture_of, resized_frames

_ALIKE = Fraction(2, 100)
"""By which share rates and durations may differ that count as one."""
_TICK = Fraction(1, 500)
"""Seconds by which files round the times of frames."""


class Both(NamedTuple):
    """A frame of the edited video, what the source shows there, and where it was edited."""

    edited: TimedPicture
    source: Picture
    inside: Weights | None


@dataclass(frozen=True)
class Beside:
    """An edited video, its source, and which of their frames belong together."""

    edited: Footage
    source: Footage
    mask: Mask | None
    by_time: bool
    """Whether the source's frame is the one that is shown at that time; else it has the same number."""

    @classmethod
    def of(cls, edited: VideoInfo, source: VideoInfo, mask: Path | None) -> "Beside":
        """Raises `InputError` for a source of another shape, and of a length that does not fit."""
        size = (edited.width, edited.height)
        first = next(read_frames(source.path)).pixels
        check_shape(source.path, first, size, what="a source")
        whole, other = Footage(edited), Footage(source)
        own_mask = None if mask is None else Mask(mask, size)
        return cls(whole, other, own_mask, by_time=_by_time(whole, other))

    def check(self, note: Callable[[str], object]) -> None:
        """Say what is fitted. Raises `InputError` for a mask that does not fit."""
        one, other = self.edited.info, self.source.info
        if (one.width, one.height) != (other.width, other.height):
            sizes = f"{other.width} x {other.height} to {one.width} x {one.height}"
            note(f"the source is scaled from {sizes}")
        count, frames = self.edited.whole, self.source.whole
        if self.by_time:
            note(f"the source has {frames} frames, the edited video {count}: they are taken by their times")
        elif frames > count:
            note(f"the source has {frames} frames, the edited video {count}: its first {count} are taken")
        for text in () if self.mask is None else self.mask.check(count):
            note(text)

    def __len__(self) -> int:
        return self.edited.whole

    @property
    def timed_by(self) -> Footage:
        """Whose times the result has: as many pictures as a video has frames get the video's."""
        one, other = self.edited, self.source
        return other if not one.info.timed and other.info.timed and one.whole == other.whole else one

    def frames(self) -> Iterator[Both]:
        """All of them, one after the other. Raises `InputError` when a video is damaged or ends too early."""
        size = (self.edited.info.width, self.edited.info.height)
        weights = None if self.mask is None else self.mask.weights()
        for frame, picture in self._by_time() if self.by_time else self._by_number():
            yield Both(frame, _fitted(picture, size), None if weights is None else next(weights))

    def _by_number(self) -> Iterator[tuple[TimedPicture, Picture]]:
        source, source_tells = self.source.pictures(), self.timed_by is self.source
        for number, frame in enumerate(self.edited.pictures()):
            found = next(source, None)
            if found is None:
                raise _too_short(self.source, number, self.edited, len(self))
            yield replace(found, pixels=frame.pixels) if source_tells else frame, found.pixels

    def _by_time(self) -> Iterator[tuple[TimedPicture, Picture]]:
        """The last frame of the source lasts to the end."""
        source = self.source.pictures()
        shown = upcoming = next(source)
        began, source_began = None, shown.time
        for frame in self.edited.pictures():
            began = frame.time if began is None else began
            while upcoming is not None and upcoming.time - source_began <= frame.time - began + _TICK:
                shown, upcoming = upcoming, next(source, None)
            yield frame, shown.pixels


def _by_time(edited: Footage, source: Footage) -> bool:
    """Whether frames belong together by their times; else they do by their numbers."""
    count, frames = edited.whole, source.whole
    if count == frames:
        return False
    timed = edited.info.timed and source.info.timed
    if not timed or _alike(edited.info.fps, source.info.fps, _ALIKE):
        if frames < count:
            raise _too_short(source, frames, edited, count)
        return False
    lasts, own = count / edited.info.fps, frames / source.info.fps
    slower = min(edited.info.fps, source.info.fps)
    if _alike(lasts, own, max(_ALIKE, 1 / slower / min(lasts, own))):
        return True
    raise InputError(
        f"{source.info.path}: {frames} frames in {float(own):.2f} s, "
        f"the edited video has {count} in {float(lasts):.2f} s",
        hint="give the part of the source that was edited, of as many frames or of the same duration",
    )


def _alike(a: Fraction, b: Fraction, share: Fraction) -> bool:
    return abs(a / b - 1) <= share


def _too_short(source: Footage, frames: int, edited: Footage, count: int) -> InputError:
    return InputError(
        f"{source.info.path}: {frames} frames, expected {count}, as many as {edited.info.path} has",
        hint="give the video that was edited, of as many frames",
    )


def _fitted(picture: Picture, size: tuple[int, int]) -> Picture:
    """Scaled to (width, height), if it has another size."""
    picture = np.require(picture, requirements=["C", "W"])  # torch takes no others
    if (picture.shape[1], picture.shape[0]) == size:
        return picture
    return picture_of(resized_frames(as_frames(picture[None]), size)[0])
