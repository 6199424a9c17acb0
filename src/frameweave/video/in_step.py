"""Read a second video beside a clip, such as its source: the frames that are shown at the same times."""

from bisect import bisect_right
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import torch

from frameweave.errors import InputError
from frameweave.progress import SILENT
from frameweave.video.clip import Clip
from frameweave.video.reading import probe
from frameweave.video.sequences import is_pictures
from frameweave.video.timeline import timeline

_ALIKE = Fraction(2, 100)  # by which average rates of one rate may differ
_TICK = Fraction(1, 500)  # seconds by which files round the times of frames


def read_in_step(
    path: Path,
    clip: Clip,
    of: Path,
    *,
    frames: int | None = None,
    size: tuple[int, int] | None = None,
    note: Callable[[str], object] = SILENT.note,
) -> Clip:
    """What `path` shows beside a clip that was read from `of`, scaled to `size` (width, height).

    Its first `frames` where both have one rate, or one of them is a folder of pictures and has none; at
    another rate those frames which are shown when the clip's are. Raises `InputError` when it ends before.
    """
    if is_pictures(path) or is_pictures(of):
        return Clip.read(path, frames=frames, size=size, note=note)
    rate, own = probe(path).fps, probe(of).fps
    if abs(rate / own - 1) <= _ALIKE:
        return Clip.read(path, frames=frames, size=size, note=note)
    # counted by their times: at a variable rate those of the beginning may be close together
    beside = timeline(path, torn=True).first_from(clip.times[-1])
    other = Clip.read(path, frames=beside + 1, size=size, note=note)
    if other.times[-1] <= clip.times[-2]:
        raise InputError(
            f"{path} lasts {float(other.times[-1]):.2f} s at {float(rate):g} frames per second, "
            f"{of} {float(clip.times[-1]):.2f} s at {float(own):g}",
            hint="cut both videos to the same length",
        )
    shown = torch.tensor([bisect_right(other.times[:-1], time + _TICK) - 1 for time in clip.times[:-1]])
    return Clip(other.frames[shown], clip.times)
