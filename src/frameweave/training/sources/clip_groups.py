"""Groups of every run of frames of some videos, some of them held out."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from frameweave.errors import DataError
from frameweave.training.sources.folder import FolderGroups, captions_of_video, content_of
from frameweave.video import Timeline, frames_at, timeline
from frameweave.video.clip import as_frames
from frameweave.video.group import FrameGroup

_HELD_OUT_EVERY = 5
"""Of the runs of frames that do not overlap, which one is held out."""


@dataclass(frozen=True)
class ClipGroups:
    """Every run of `frames` frames of a video, or of each video in a folder, with its captions.

    Runs that are held out share no frame with those that are trained on. Raises `DataError` for a video that
    is too short to hold any out.
    """

    source: Path
    held_out: bool
    frames: int = 1
    stride: int = 1
    shows: tuple[str, ...] = ()
    """Captions of all videos; empty where they stand beside them."""

    @cached_property
    def videos(self) -> Sequence[Path]:
        return (self.source,) if self.source.is_file() else FolderGroups(self.source).videos

    @cached_property
    def _lines(self) -> dict[Path, Timeline]:
        """Read once: of each video all packets are looked at."""
        return {video: timeline(video) for video in self.videos}

    @cached_property
    def _runs(self) -> list[tuple[Path, int]]:
        return [(video, start) for video in self.videos for start in self._starts(video)]

    @property
    def _span(self) -> int:
        return (self.frames - 1) * self.stride + 1

    def _starts(self, video: Path) -> list[int]:
        count, span = len(self._lines[video]), self._span
        blocks = count // span
        if blocks < 2:
            raise DataError(
                f"{video}: {count} frames, expected at least {2 * span}: some are held out",
                hint="give a longer clip, or lower --frames or --stride",
            )
        apart = {block for block in range(blocks) if block % _HELD_OUT_EVERY == _HELD_OUT_EVERY - 1}
        apart = apart or {blocks - 1}
        if self.held_out:
            return [block * span for block in sorted(apart)]
        every = range(count - span + 1)
        return [start for start in every if not {start // span, (start + span - 1) // span} & apart]

    def check(self) -> None:
        """Look at all captions and decode all groups. Raises `DataError` for what cannot be used."""
        for index in range(len(self)):
            self.group(index)

    def __len__(self) -> int:
        return len(self._runs)

    def key(self, index: int) -> str:
        video, start = self._runs[index]
        return f"{self._content(video)} at {start} {self.frames} {self.stride}"

    def contents(self) -> dict[str, str]:
        """See `MadeOfFiles`."""
        return {video.name: self._content(video) for video in self.videos}

    def captions(self) -> tuple[str, ...]:
        """See `Captioned`."""
        return tuple(text for video in self.videos for text in self._captions(video))

    def group(self, index: int) -> FrameGroup:
        """Raises `DataError` or `InputError` when the video or its captions cannot be used."""
        video, start = self._runs[index]
        wanted = range(start, start + self._span, self.stride)
        shown = frames_at(video, self._lines[video], wanted, whole=True)
        frames = as_frames(np.stack([pixels for _, pixels in shown]))
        return FrameGroup(frames, self._captions(video))

    def _captions(self, video: Path) -> tuple[str, ...]:
        return self.shows or captions_of_video(video)

    def _content(self, video: Path) -> str:
        return content_of(video, self._captions(video))
