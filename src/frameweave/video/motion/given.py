"""Flow that the user gives: of each frame to the next one and back, at any size of the clip's shape."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from frameweave.errors import InputError
from frameweave.video.motion.fields import WAYS, Fields, fields_of
from frameweave.video.motion.providers import Field, opencv
from frameweave.video.motion.warp import moved_back

_UNLIKE = 0.02
"""By which share the shape of a flow may differ from the clip's."""


@dataclass(frozen=True, eq=False)
class GivenFlow:
    """Flow to the next frame and back, for each two neighbouring frames of a clip."""

    path: Path
    forward: Fields
    backward: Fields
    first: int = 0
    """Which frame of it is the clip's first."""
    scaled: tuple[int, int] | None = None
    """Width and height of the clip without its padding; None where there is no padding."""

    @classmethod
    def read(cls, path: Path) -> "GivenFlow":
        """From a file or folder, of which only the heads are read now. Raises `InputError`."""
        found = fields_of(path)
        forward, backward = (found[way] for way in WAYS)
        if (forward.count, forward.size) != (backward.count, backward.size):
            told = [f"{one.count} x {one.size[1]} x {one.size[0]}" for one in (forward, backward)]
            raise InputError(
                f"{path}: forward flow of {told[0]}, backward flow of {told[1]}",
                hint="give as many fields of one size both ways",
            )
        return cls(path, forward, backward)

    @classmethod
    def of(cls, forward: Float[Tensor, "N 2 H W"], backward: Float[Tensor, "N 2 H W"]) -> "GivenFlow":
        """That of tensors."""
        path = Path("tensors")
        there, back = (Fields.of_array(path, one.numpy()) for one in (forward, backward))
        return cls(path, there, back)

    def of_clip(
        self, frames: int, size: tuple[int, int], *, numbers: Sequence[int] = (), whole: int = 0
    ) -> "GivenFlow":
        """That of a clip of so many frames and of `size` (width, height).

        Its frames may be those of `numbers`, one after the other, of a video of `whole` frames. Raises
        `InputError` unless there is a field of its shape for each two neighbours of the clip or the video.
        """
        (height, width), (w, h) = self.forward.size, size
        if abs(width * h / (height * w) - 1) > _UNLIKE + 1 / min(width, height):
            raise InputError(
                f"{self.path}: a flow of {width} x {height} pixels, the video has {w} x {h}",
                hint="give a flow with the aspect ratio of the video, as the video is shown",
            )
        count = self.forward.count
        if frames == 1 or count == frames - 1:
            return self
        if len(numbers) == frames and count == whole - 1:
            return replace(self, first=numbers[0])
        raise InputError(
            f"{self.path}: a flow of {count} pairs of frames, expected {frames - 1} for {frames} frames",
            hint="give one for each two neighbours of the frames that are edited, or of the whole video",
        )

    def padded(self, size: tuple[int, int]) -> "GivenFlow":
        """That of frames which show the clip at `size` (width, height), and padding right and below of it."""
        return replace(self, scaled=size)

    def between(self, a: int, b: int, size: tuple[int, int]) -> Field:
        """From frame a of the clip to frame b, at a size of (height, width)."""
        fields, step = (self.forward, 1) if b > a else (self.backward, -1)
        first = self.first - (step < 0)
        total = torch.from_numpy(self._fitted(fields.read(first + a), size)).permute(2, 0, 1)[None]
        for number in range(a + step, b, step):
            after = torch.from_numpy(self._fitted(fields.read(first + number), size)).permute(2, 0, 1)[None]
            more, inside = moved_back(after, total.nan_to_num())
            total = torch.where(inside, total + more, torch.nan)
        return np.ascontiguousarray(total[0].permute(1, 2, 0).numpy())

    def _fitted(self, field: Field, size: tuple[int, int]) -> Field:
        """At the size of the clip's frames; padding moves as the rim does."""
        height, width = field.shape[:2]
        w, h = self.scaled or (size[1], size[0])
        if (width, height) != (w, h):
            cv2, smaller = opencv(), w * h < width * height
            resized = cv2.resize(field, (w, h), interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR)
            field = np.asarray(resized * np.array([w / width, h / height]), np.float32)
        return np.pad(field, ((0, size[0] - h), (0, size[1] - w), (0, 0)), mode="edge")
