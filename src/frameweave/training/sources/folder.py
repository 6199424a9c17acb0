"""Groups of adjacent frames from a folder of videos, each with its captions beside it."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from frameweave.data.sources.folder import captions_beside, files_below, is_hidden
from frameweave.data.sources.usable import usual_split
from frameweave.data.text import captions_of
from frameweave.errors import DataError, FrameweaveError
from frameweave.runs.identity import digest
from frameweave.video import Picture, frames_at, timeline
from frameweave.video.clip import as_frames
from frameweave.video.group import FrameGroup
from frameweave.video.reading import VIDEOS


@dataclass(frozen=True)
class FolderGroups:
    """One group for each video that lies directly in the folder, with its captions: a line each of
    `<name>.txt`, or those of `<name>.json`, unless all have the same ones.

    Raises `DataError` when there is no such folder or no video in it.
    """

    folder: Path
    frames: int = 3
    stride: int = 1
    seed: int = 0
    shows: tuple[str, ...] = ()
    """Captions of all videos; empty where they stand beside each."""
    videos: list[Path] = field(init=False, repr=False)
    _found: int = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if not self.folder.is_dir():
            raise DataError(
                f"{self.folder}: no such folder", hint="give a folder of videos, prepared shards, or world"
            )
        found = sorted(
            path
            for path in self.folder.glob("*")
            if path.suffix.lower() in VIDEOS and path.is_file() and not is_hidden(Path(path.name))
        )
        if not found:
            raise DataError(
                f"{self.folder}: no videos ({', '.join(VIDEOS)})", hint="give a folder of short videos"
            )
        taken = [video for video in found if split_of(video) in ("", "train")]
        if not taken:
            raise DataError(
                f"{self.folder}: all {len(found)} videos are of another split than train",
                hint="leave the split out of their .json, or call it train",
            )
        object.__setattr__(self, "videos", taken)
        object.__setattr__(self, "_found", len(found))

    def check(self) -> None:
        """Look at all captions, then at all videos, and decode each one's group.

        Raises `DataError` that names the first file that cannot be used, and how many there are.
        """
        for look in (self._captions, self._decoded):
            faults: list[FrameweaveError] = []
            for index in range(len(self)):
                try:
                    look(index)
                except FrameweaveError as error:
                    faults.append(error)
            if faults:
                more = f" ({len(faults)} of {len(self)} videos cannot be used)" if len(faults) > 1 else ""
                raise DataError(f"{faults[0].args[0]}{more}", hint=faults[0].hint) from faults[0]

    def __len__(self) -> int:
        return len(self.videos)

    def key(self, index: int) -> str:
        return f"{self._content(index)} {self.seed} {index} {self.frames} {self.stride}"

    def contents(self) -> dict[str, str]:
        """See `MadeOfFiles`."""
        return {video.name: self._content(index) for index, video in enumerate(self.videos)}

    def below(self) -> int:
        """How many videos lie in folders below, which are not taken."""
        found = files_below(self.folder)
        return sum(path.suffix.lower() in VIDEOS and path.is_file() for path in found) - self._found

    def of_other_splits(self) -> int:
        """How many videos are not taken, as the .json beside them says that they are of another split."""
        return self._found - len(self.videos)

    def captions(self) -> tuple[str, ...]:
        """See `Captioned`."""
        return tuple(text for index in range(len(self)) for text in self._captions(index))

    def group(self, index: int) -> FrameGroup:
        """Raises `DataError` or `InputError` when the video or its captions cannot be used."""
        pictures = np.stack(self._decoded(index))
        frames = as_frames(pictures)
        return FrameGroup(frames, self._captions(index))

    def _decoded(self, index: int) -> list[Picture]:
        video = self.videos[index]
        line = timeline(video)
        span = (self.frames - 1) * self.stride + 1
        if len(line) < span:
            raise DataError(
                f"{video}: {len(line)} frames, expected at least {span}",
                hint="remove it, or lower --frames or --stride",
            )
        start = int(np.random.default_rng((self.seed, index)).integers(len(line) - span + 1))
        wanted = range(start, start + span, self.stride)
        return [pixels for _, pixels in frames_at(video, line, wanted, whole=True)]

    def _content(self, index: int) -> str:
        return content_of(self.videos[index], self._captions(index))

    def _captions(self, index: int) -> tuple[str, ...]:
        return self.shows or captions_of_video(self.videos[index])


def content_of(video: Path, captions: tuple[str, ...]) -> str:
    """Tells a video with its captions from others."""
    return f"{digest(video)} {hashlib.sha256(chr(10).join(captions).encode()).hexdigest()}"


def split_of(video: Path) -> str:
    """What the .json beside a video says; empty where it says nothing, or cannot be read."""
    try:
        return usual_split(captions_beside(video).split)
    except (ValueError, OSError):  # told with the captions
        return ""


def captions_of_video(video: Path) -> tuple[str, ...]:
    """The captions beside a video. Raises `DataError` where there are none, or they cannot be read."""
    try:
        found = captions_of(captions_beside(video).captions)
    except ValueError as error:
        raise DataError(f"{video.parent}/{error}", hint="write the captions anew") from error
    except OSError as error:
        raise DataError(f"{video}: no captions ({error})", hint="make them readable") from error
    if not found:
        raise DataError(
            f"{video.with_suffix('.txt')}: no caption", hint="write what the video shows, a line each"
        )
    return found
