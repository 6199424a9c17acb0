"""Groups of adjacent frames from a folder of videos, each with its captions in a text file beside it."""

import hashlib
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np
import torch

from frameweave.errors import DataError
from frameweave.runs.atomic import sha256
from frameweave.video import probe, read_frames
from frameweave.video.group import FrameGroup
from frameweave.video.reading import VIDEOS


@dataclass(frozen=True)
class FolderGroups:
    """One group per video and epoch of drawing; `<name>.txt` holds a caption a line.

    Raises `DataError` when there is no such folder or no video in it, or one has no captions or too few
    frames.
    """

    folder: Path
    frames: int = 3
    stride: int = 1
    seed: int = 0
    _videos: list[Path] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if not self.folder.is_dir():
            raise DataError(
                f"{self.folder}: no such folder", hint="give a folder of videos, prepared shards, or world"
            )
        found = sorted(path for path in self.folder.glob("*") if path.suffix.lower() in VIDEOS)
        if not found:
            raise DataError(
                f"{self.folder}: no videos ({', '.join(VIDEOS)})", hint="give a folder of short videos"
            )
        for video in found:
            if not self._captions(video):
                raise DataError(
                    f"{video.with_suffix('.txt')}: no caption", hint="write what the video shows, a line each"
                )
        object.__setattr__(self, "_videos", found)

    def __len__(self) -> int:
        return len(self._videos)

    def key(self, index: int) -> str:
        video = self._videos[index]
        texts = hashlib.sha256("\n".join(self._captions(video)).encode()).hexdigest()
        return f"{sha256(video)} {texts} {self.seed} {index} {self.frames} {self.stride}"

    def group(self, index: int) -> FrameGroup:
        video = self._videos[index]
        span = (self.frames - 1) * self.stride + 1
        count = probe(video).frames or sum(1 for _ in read_frames(video))
        if count < span:
            raise DataError(
                f"{video}: {count} frames, expected at least {span}",
                hint="remove it, or lower --frames or --stride",
            )
        start = int(np.random.default_rng((self.seed, index)).integers(count - span + 1))
        shown = islice(read_frames(video, first=start + span), start, None, self.stride)
        pictures = np.stack([picture.pixels for picture in shown])
        frames = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255
        return FrameGroup(frames, tuple(self._captions(video)))

    def _captions(self, video: Path) -> list[str]:
        file = video.with_suffix(".txt")
        lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
        return [line.strip() for line in lines if line.strip()]
