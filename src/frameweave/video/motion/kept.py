"""Motion kept on the disk by what it depends on: the clip's pictures, the flow and the size.

So a second prompt, a run that goes on and other commands find what an earlier one has estimated. What is
damaged is not served, and made anew.
"""

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from frameweave.progress import SILENT
from frameweave.runs.atomic import staged
from frameweave.runs.cache_folder import Kept, forget_oldest
from frameweave.video.clip import picture_of
from frameweave.video.motion.flows import Flow
from frameweave.video.motion.motion import Motion, MotionMaker

_VERSION = 1
"""Raised when the same flow makes other motion."""
_BATCH = 16
Batches = Callable[[], Iterable[Float[Tensor, "_ 3 H W"]]]
"""Gives all frames of a clip from the first one on, in [0, 1], so many at once."""


@dataclass(eq=False)
class ClipPrint:
    """The digest of a clip's pictures, which may come in batches."""

    frames: int = 0
    _sum: Any = field(default_factory=hashlib.sha256)

    def add(self, frames: Float[Tensor, "F 3 H W"]) -> None:
        """The next frames, in [0, 1]."""
        for frame in frames:
            picture = picture_of(frame)
            self._sum.update(f"{picture.shape}".encode())
            self._sum.update(picture.tobytes())
        self.frames += len(frames)

    @property
    def digest(self) -> str:
        return self._sum.hexdigest()


@dataclass(frozen=True, eq=False)
class MotionStore:
    """A folder of motion. Beyond `most` bytes the files used longest ago go.

    Where nothing can be kept, `note` hears of it and the work goes on.
    """

    folder: Path
    most: int = 2 * 2**30
    note: Callable[[str], None] = SILENT.note

    def recall(self, key: str, radius: int) -> Motion | None:
        """What is kept under a key, if it reaches so far."""
        file = self._file(key)
        try:
            with safe_open(file, "pt") as opened:
                flow, weight = (opened.get_tensor(name) for name in ("flow", "weight"))
                whole = (opened.metadata() or {}).get("sha256") == _digest(flow, weight)
        except (OSError, SafetensorError):
            return None
        if not whole or len(flow) < 2 * radius:
            return None
        with suppress(OSError):  # a cache that is only read
            os.utime(file)
        reach = len(flow) // 2
        return Motion((*range(-reach, 0), *range(1, reach + 1)), flow, weight).within(radius)

    def keep(self, key: str, motion: Motion) -> None:
        """Keep it for the next one who asks."""
        tensors = {"flow": motion.flow.contiguous(), "weight": motion.weight.contiguous()}
        try:
            with staged(self._file(key)) as stage:
                save_file(tensors, stage, {"sha256": _digest(motion.flow, motion.weight)})
            forget_oldest(self._kept(), self.most, newest=self._file(key))
        except OSError as error:
            self.note(f"{self.folder}: motion is not kept ({error.strerror}); --cache names another folder")

    def _file(self, key: str) -> Path:
        return self.folder / f"{hashlib.sha256(key.encode()).hexdigest()}.motion"

    def _kept(self) -> Iterator[Kept]:
        for file in self.folder.glob("*.motion"):
            with suppress(FileNotFoundError):
                yield Kept(file.stat().st_mtime, file.stat().st_size, (file,))


@dataclass(frozen=True, eq=False)
class Motions:
    """The motion of clips by one flow, found again where it was kept."""

    flow: Flow
    store: MotionStore | None = None

    def of(
        self, known: ClipPrint, batches: Batches, radius: int, size: tuple[int, int] | None = None
    ) -> Motion:
        """That of the clip with this print; its frames are asked for where it is not kept yet."""
        key = f"motion {_VERSION} | {known.digest} | {self.flow.identity} | {size}"
        found = None if self.store is None else self.store.recall(key, radius)
        if found is not None:
            return found
        maker = MotionMaker(radius, size, self.flow.provider)
        for frames in batches():
            maker.add(frames)
        motion = maker.made()
        if self.store is not None:
            self.store.keep(key, motion)
        return motion

    def of_frames(
        self, frames: Float[Tensor, "F 3 H W"], radius: int, size: tuple[int, int] | None = None
    ) -> Motion:
        """That of a clip that is held in memory."""
        known = ClipPrint()
        if self.store is not None:
            known.add(frames)
        return self.of(known, lambda: frames.split(_BATCH), radius, size)


def _digest(*tensors: Tensor) -> str:
    total = hashlib.sha256()
    for tensor in tensors:
        total.update(f"{tuple(tensor.shape)} {tensor.dtype}".encode())
        total.update(tensor.contiguous().view(torch.uint8).numpy().tobytes())
    return total.hexdigest()
