"""Time per frame and peak memory of whole edits, by the number of frames and by their size."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from frameweave.measuring.bench.paired import Row, row
from frameweave.progress import SILENT, Progress
from frameweave.video.clip import Clip
from frameweave.world.render import render_clip
from frameweave.world.scene import sample_scenes

_STEPS = 4  # neither peak nor growth depends on it
_FEW = 4
"""Frames of a clip whose size is measured."""
_MIB = 2**20
_JOB = """
import json, sys
from pathlib import Path
from frameweave.editing.edit import edit
from frameweave.editing.options import EditOptions
from frameweave.models.memory import peak_bytes
video, out, editor, steps, size = sys.argv[1:]
options = EditOptions(out=Path(out), editor=editor, steps=int(steps), device="cpu", use_cache=False,
                      size=int(size) or None, source_prompt="a blue duck in the snow")
done = edit(Path(video), ["a red duck in the snow"], options)[0]
print(json.dumps({"peak": peak_bytes(), "seconds": done.seconds["edit"]}))
"""


@dataclass(frozen=True)
class Taken:
    """What an edit took, in a process of its own, from file to file."""

    seconds_per_frame: float
    peak_bytes: float

    def beside(self, what: str, first: "Taken", base: str, bars: tuple[str, str]) -> Iterator[Row]:
        time, peak = self.seconds_per_frame, self.peak_bytes
        yield row(f"{what} over {base}: time per frame", time / first.seconds_per_frame, bars[0])
        yield row(f"{what} over {base}: peak memory", peak / first.peak_bytes, bars[1])

    def alone(self, what: str) -> Iterator[Row]:
        yield row(f"{what}: time per frame, ms", 1000 * self.seconds_per_frame, "")
        yield row(f"{what}: peak memory, MiB", self.peak_bytes / _MIB, "")


def length_rows(
    editors: Sequence[str], lengths: Sequence[int], *, progress: Progress = SILENT
) -> Iterator[Row]:
    """Each number of frames beside the first."""
    jobs = [(f"{count} frames", count, 0) for count in lengths]
    return _rows(editors, jobs, ("about 1", "<= 1.5"), progress)


def size_rows(editors: Sequence[str], sizes: Sequence[int], *, progress: Progress = SILENT) -> Iterator[Row]:
    """Each longer side beside the first, for clips of a few frames."""
    jobs = [(f"{size} pixels", _FEW, size) for size in sizes]
    return _rows(editors, jobs, ("", ""), progress)


def _rows(
    editors: Sequence[str], jobs: Sequence[tuple[str, int, int]], bars: tuple[str, str], progress: Progress
) -> Iterator[Row]:
    (base, *_), *_ = jobs
    with tempfile.TemporaryDirectory() as folder:
        for name in editors:
            first: Taken | None = None
            for what, count, size in jobs:
                progress.note(f"{name}: {what}")
                now = taken(Path(folder), name, count, size)
                if first is None:
                    first = now
                    yield from now.alone(f"{name}, {what}")
                else:
                    yield from now.beside(f"{name}, {what}", first, base, bars)


def taken(root: Path, name: str, count: int, size: int) -> Taken:
    """One edit of so many frames; `size` is the longer side at which the model works, 0 its own."""
    video = root / f"{count}.mp4"
    if not video.is_file():
        Clip.of(render_clip(sample_scenes(1, seed=1), count).frames).write(video)
    command = [sys.executable, "-c", _JOB, str(video), str(root / f"{name}-{count}-{size}"), name]
    done = subprocess.run([*command, str(_STEPS), str(size)], check=True, capture_output=True, text=True)
    found = json.loads(done.stdout.splitlines()[-1])
    return Taken(found["seconds"] / count, found["peak"])
