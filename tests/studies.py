"""Small studies: runs with real videos, the study built from them, and a server in a process of its own."""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from frameweave.study.new import new_study
from frameweave.study.options import StudyNewOptions
from frameweave.video.clip import Clip
from results_folder import write_results

TOKEN = "a-token-for-tests-only"
SMALL = StudyNewOptions(per_rater=4, per_pair=2, checks=1, repeats=1)


def small_run(
    folder: Path,
    *,
    clips: int = 4,
    editors: tuple[str, ...] = ("tokenflow", "vidtome"),
    arms: tuple[str, ...] = ("without", "with"),
) -> Path:
    """A finished grid whose videos differ by their number."""

    def video(path: Path, number: int) -> None:
        rng = torch.Generator().manual_seed(number)
        path.parent.mkdir(parents=True, exist_ok=True)
        Clip.of(torch.rand(6, 3, 4, 4, generator=rng).repeat_interleave(8, 2).repeat_interleave(8, 3)).write(
            path
        )

    values: dict[tuple[str, str, str], list[float | None]] = {
        (editor, arm, "warp_error"): [float(number) for number in range(clips)]
        for editor in editors
        for arm in arms
    }
    return write_results(folder, values, videos=video)


def small_study(folder: Path, options: StudyNewOptions = SMALL, *, clips: int = 4) -> Path:
    """A study of two editors."""
    run = small_run(folder / "run", clips=clips)
    new_study([run], options.replaced(out=folder / "study"))
    return folder / "study"


_SERVER = """
import sys
from pathlib import Path
from frameweave.study.options import StudyServeOptions
from frameweave.study.server.serve import serve
folder, port, token, database = sys.argv[1:]
options = StudyServeOptions(port=int(port), database=database or None, enrolments_per_minute=100_000)
serve(Path(folder), options, admin=token, started=lambda address: print(address, flush=True))
"""


@contextmanager
def served(folder: Path, port: int = 0, database: str = "") -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A real server of a study: its address, and its process, which is killed at the end."""
    process = subprocess.Popen(
        [sys.executable, "-c", _SERVER, str(folder), str(port), TOKEN, database],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip(), process
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def field_of(page: str, name: str) -> str:
    """The value of a form's hidden field."""
    found = re.search(rf'name="{name}" value="([^"]*)"', page)
    assert found is not None, page
    return found[1]
