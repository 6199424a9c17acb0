"""Pictures that steer an edit: made from its frames, or given as a video, a folder or one picture."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from frameweave.editing.footage import BATCH, Fit
from frameweave.editing.given.mask import check_shape
from frameweave.errors import InputError
from frameweave.models.control.asked import DEPTH
from frameweave.models.control.maps import made_map
from frameweave.models.depth import DepthEstimator, per_clip
from frameweave.models.seam import ControlMap
from frameweave.video import Picture, probe, read_frames
from frameweave.video.clip import as_frames


@dataclass(frozen=True)
class Wanted:
    """How many pictures a clip needs, and which of the whole video its frames are, where that is known."""

    count: int
    numbers: Sequence[int] = ()
    whole: int = 0

    def of(self, path: Path, found: int) -> Sequence[int]:
        """Which of so many pictures in a file are used, in order.

        Raises `InputError` unless there are as many as are edited, as the video has, or one.
        """
        if found in (1, self.count):
            return range(found)
        if len(self.numbers) == self.count and found == self.whole:
            return self.numbers
        raise InputError(
            f"{path}: a control map of {found} frames, expected {self.count}, as many as are made or edited",
            hint="give as many frames, those of the whole video, or one picture for all",
        )


@dataclass(frozen=True)
class GivenMap:
    """Pictures of a kind in a file or folder: one for each edited frame, each of the video, or all."""

    kind: str
    path: Path

    @property
    def size(self) -> tuple[int, int]:
        """Width and height as shown."""
        info = probe(self.path)
        return info.width, info.height

    def check(self, size: tuple[int, int], wanted: Wanted) -> None:
        """Decode it once. Raises `InputError` unless its length and shape are the video's."""
        found = 0
        for picture in read_frames(self.path, background=0):
            if not found:
                check_shape(self.path, picture.pixels, size, what="a control map")
            found += 1
        wanted.of(self.path, found)

    def read(self, fit: Fit, wanted: Wanted) -> ControlMap:
        """Its pictures as the model takes the frames, one for each."""
        found = sum(1 for _ in read_frames(self.path, background=0))
        numbers = set(wanted.of(self.path, found))
        pictures = (one.pixels for n, one in enumerate(read_frames(self.path, background=0)) if n in numbers)
        parts = [fit.apply(batch).half() for batch in _batches(pictures)]
        return torch.cat(parts).expand(wanted.count, -1, -1, -1)


@dataclass(eq=False)
class MapMaker:
    """Makes pictures that steer from frames that come in batches."""

    kinds: Sequence[str]
    estimator: DepthEstimator | None = None
    _parts: dict[str, list[Tensor]] = field(default_factory=dict[str, list[Tensor]])

    def add(self, frames: Float[Tensor, "F 3 H W"]) -> None:
        """The next frames of the clip, in [0, 1]."""
        for kind in self.kinds:
            if kind == DEPTH:
                assert self.estimator is not None
                made = self.estimator.raw(frames)  # at any scale: in half precision it might overflow
            else:
                made = made_map(kind, frames).half()
            self._parts.setdefault(kind, []).append(made)

    def made(self) -> dict[str, ControlMap]:
        """Those of all frames, in [0, 1]; depth on one scale for the whole clip."""
        whole = {kind: torch.cat(parts) for kind, parts in self._parts.items()}
        return {kind: per_clip(of_all) if kind == DEPTH else of_all for kind, of_all in whole.items()}


def _batches(pictures: Iterator[Picture]) -> Iterator[Float[Tensor, "F 3 H W"]]:
    while batch := list(islice(pictures, BATCH)):
        yield as_frames(np.stack(batch))
