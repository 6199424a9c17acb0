"""Long clips: time per frame and peak memory by the number of frames, for every editor."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from frameweave.measuring.bench.paired import Row, row
from frameweave.progress import SILENT, Progress
from frameweave.video.clip import Clip
from frameweave.world.render import render_clip
from frameweave.world.scene import sample_scenes

_STEPS = 4  # neither peak nor growth depends on it
_MIB = 2**20
_JOB = """
import json, sys
from pathlib import Path
from frameweave.editing.edit import edit
from frameweave.editing.options import EditOptions
from frameweave.models.memory import peak_bytes
video, out, editor, steps = sys.argv[1:]
options = EditOptions(out=Path(out), editor=editor, steps=int(steps), device="cpu", use_cache=False,
                      source_prompt="a blue duck in the snow")
done = edit(Path(video), ["a red duck in the snow"], options)[0]
print(json.dumps({"peak": peak_bytes(), "seconds": done.seconds["edit"]}))
"""


def length_rows(
    editors: Sequence[str], lengths: Sequence[int], *, progress: Progress = SILENT
) -> Iterator[Row]:
    """Whole jobs in processes of their own, from file to file; each length beside the first."""
    first = lengths[0]
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        scenes = sample_scenes(1, seed=1)
        for count in lengths:
            Clip.of(render_clip(scenes, count).frames).write(root / f"{count}.mp4")
        for name in editors:
            found: dict[int, dict[str, float]] = {}
            for count in lengths:
                progress.note(f"{name}: {count} frames")
                found[count] = _measured(root, name, count)
            per_frame = {count: found[count]["seconds"] / count for count in lengths}
            peak = {count: found[count]["peak"] for count in lengths}
            yield row(f"{name}: time per frame at {first} frames, ms", 1000 * per_frame[first], "")
            yield row(f"{name}: peak memory at {first} frames, MiB", peak[first] / _MIB, "")
            for count in lengths[1:]:
                figure = f"{name}: time per frame at {count} over {first} frames"
                yield row(figure, per_frame[count] / per_frame[first], "about 1")
                figure = f"{name}: peak memory at {count} over {first} frames"
                yield row(figure, peak[count] / peak[first], "<= 1.5")


def _measured(root: Path, name: str, count: int) -> dict[str, float]:
    command = [sys.executable, "-c", _JOB, str(root / f"{count}.mp4"), str(root / f"{name}-{count}"), name]
    done = subprocess.run([*command, str(_STEPS)], check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])
