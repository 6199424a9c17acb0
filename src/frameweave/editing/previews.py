"""How an edit looks while it goes on: small pictures from its latents, in files that are renewed."""

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from frameweave.errors import InputError
from frameweave.models.previews import LatentColours
from frameweave.models.seam import Frames, Latents
from frameweave.models.stable_diffusion import StableDiffusion
from frameweave.progress import SILENT, Progress
from frameweave.video.clip import Clip
from frameweave.video.pictures import save_picture

FILES = (VIDEO := "preview.mp4", STRIP := "preview.png")
"""In the run folder: the clip, and its first, middle and last frame side by side."""
_LONGEST = 256  # pixels of the longer side, where latents are fewer
_MOST = 64  # frames that the clip shows, spread evenly
_SHARE = 0.1  # of the time that writing previews may take

OnPreview = Callable[[int, Frames], None]
"""Is told of each step: how many are done, and small frames in [0, 1] as the result looks by now."""
OnSteps = tuple[Callable[[int, Latents], None], ...]
"""The same with the clean latents that are expected."""


def check_place(file: Path | None, flags: dict[str, object]) -> None:
    """Raise `InputError` where previews are asked for and the result is a file alone."""
    for flag, asked in flags.items():
        if file is not None and asked:
            raise InputError(
                f"{flag} with the file {file} as --out: previews need a folder",
                hint=f"give --out a folder, or leave {flag} out",
            )


@contextmanager
def watching(
    model: StableDiffusion,
    fps: Fraction | float,
    progress: Progress,
    on_preview: OnPreview | None,
    folder: Path | None,
) -> Generator[OnSteps, None, None]:
    """Who is to be told of an edit's steps; nobody where no previews are wanted, which costs nothing.

    In a folder, files show each step, in the end the last one.
    """
    files = PreviewFiles(folder, fps, progress) if folder is not None else None
    there = [one for one in (files, on_preview) if one is not None]
    if not there:
        yield ()
        return
    colours = LatentColours.of(model)

    def seen(done: int, x_0: Latents) -> None:
        frames = colours.frames(x_0)
        for one in there:
            one(done, frames)

    yield (seen,)
    if files is not None:
        files.finish()


def three_of(frames: Tensor) -> Tensor:
    """The first, the middle and the last frame."""
    return frames[sorted({0, len(frames) // 2, len(frames) - 1})]


@dataclass(eq=False)
class PreviewFiles:
    """Writes each preview over the last one, an `OnPreview`.

    Where that would take more than a tenth of the time, steps are passed over; `finish` writes the last one.
    When nothing can be written `progress` hears of it once, and the edit goes on.
    """

    folder: Path
    fps: Fraction | float
    progress: Progress = SILENT
    _last: tuple[int, Frames] | None = None
    """What is not written yet."""
    _not_before: float = field(default=0.0)
    _useless: bool = False

    def __call__(self, done: int, frames: Frames) -> None:
        self._last = (done, frames)
        if time.monotonic() >= self._not_before:
            self.finish()

    def finish(self) -> None:
        """Write what the last step gave, unless that is done."""
        if self._last is None or self._useless:
            return
        start, (_, frames) = time.monotonic(), self._last
        count = min(len(frames), _MOST)
        shown = enlarged(frames[torch.linspace(0, len(frames) - 1, count).round().long()])
        try:
            Clip.of(shown, fps=float(self.fps) * count / len(frames)).write(self.folder / VIDEO)
            save_picture(torch.cat(list(enlarged(three_of(frames))), dim=2), self.folder / STRIP)
        except OSError as error:
            self._useless = True
            self.progress.note(f"{self.folder / VIDEO}: previews are not written ({error.strerror or error})")
        now = time.monotonic()
        self._last, self._not_before = None, now + (now - start) / _SHARE


def enlarged(frames: Float[Tensor, "F 3 h w"]) -> Frames:
    """To about 256 pixels along the longer side; both sides are even, as most players want."""
    height, width = frames.shape[2:]
    factor = max(2, _LONGEST // max(height, width) // 2 * 2)
    size = (height * factor, width * factor)
    return F.interpolate(frames, size, mode="bilinear", align_corners=False)


@dataclass(frozen=True, eq=False)
class Watching:
    """A `Keeper` that keeps nothing: what it is told goes to `on_steps`."""

    on_steps: OnSteps

    def earlier(self, rng: torch.Generator) -> None:
        return None

    def after(self, done: int, x: Tensor, expected: Latents, rng: torch.Generator) -> None:
        for on_step in self.on_steps:
            on_step(done, expected)
