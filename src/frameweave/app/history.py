"""The jobs of a folder of runs as their run files tell of them, also those of the command line."""

import hashlib
import math
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from frameweave.app.job import Asked, JobView, State
from frameweave.app.telling import without_folders
from frameweave.editing.comparing.page import Panel
from frameweave.editing.options import EditOptions
from frameweave.errors import FrameweaveError, RunError
from frameweave.runs.lock import check_free
from frameweave.runs.records import Record
from frameweave.runs.run_file import CANCELLED, FAILED, RUN_FILE, RunRecord, read_run
from frameweave.training.personal_options import PersonalOptions

ADAPTOR = "adaptor"
_COMPARISON = "comparison.mp4"
_HOW = ("overwrite", "resume")
_Look = tuple[int, int]
_GONE: _Look = (0, -1)
_BETWEEN = 2.0
"""Seconds between looks at all run files."""


class _Given(Record):
    """What an edit was given."""

    video: str
    prompts: tuple[str, ...]


class _Result(Record):
    """What the file of a finished run says of its files and its time."""

    videos: tuple[str, ...] = ()
    panels: tuple[str, ...] = ()
    seconds: float | dict[str, float] = 0.0


class History:
    """The runs of one folder. A run file is read again only when it has changed."""

    def __init__(self, runs: Path) -> None:
        self._runs = runs
        self._seen: dict[Path, tuple[_Look, JobView | None]] = {}
        self._look, self._looked = "", -math.inf

    def all(self) -> Iterator[JobView]:
        """Every run that the app can show, in no order."""
        for file in self._runs.glob(f"*/{RUN_FILE}"):
            if not file.parent.is_symlink() and (view := self.of(file.parent.name)) is not None:
                yield view

    def of(self, name: str) -> JobView | None:
        """The run in the folder of that name; None where there is none that the app can show."""
        folder = self._runs / name
        look = _look(folder / RUN_FILE)
        if look == _GONE:
            return None
        if self._seen.get(folder, (None, None))[0] != look:
            self._seen[folder] = look, _view(folder, look[0] / 1e9)
        view = self._seen[folder][1]
        if view is not None and view.state == "unfinished" and _works_elsewhere(folder):
            return replace(view, state="running")
        return view

    def look(self) -> str:
        """Another text after a change of any run; the disk is looked at every other second."""
        if time.monotonic() - self._looked > _BETWEEN:
            looks = sorted((one.id, one.state, one.when) for one in self.all())
            self._look, self._looked = hashlib.sha256(repr(looks).encode()).hexdigest(), time.monotonic()
        return self._look

    def texts(self) -> Iterator[str]:
        """What the run files hold, also those of many edits, which lie deeper."""
        for file in self._runs.rglob(RUN_FILE):
            yield file.read_text(encoding="utf-8", errors="replace")


def _look(file: Path) -> _Look:
    try:
        found = file.stat()
    except OSError:
        return _GONE
    return found.st_mtime_ns, found.st_size


def _works_elsewhere(folder: Path) -> bool:
    try:
        check_free(folder)
    except RunError:
        return True
    return False


def _view(folder: Path, when: float) -> JobView | None:
    try:
        record = read_run(folder)
        asked = _asked(record)
        result = _Result.from_json(record.result or {}, where="")
    except FrameweaveError:
        return None
    if asked is None:
        return None
    done = record.result is not None
    state: State = "done" if done else "unfinished"
    if not done and record.state in (CANCELLED, FAILED):
        state = "cancelled" if record.state == CANCELLED else "failed"
    seconds = result.seconds
    return JobView(
        id=folder.name,
        version=0,
        state=state,
        asked=asked,
        when=when,
        message=without_folders(record.error),
        hint=without_folders(record.hint),
        results=tuple(_results(folder, asked, result)) if done else (),
        seconds=sum(seconds.values()) if isinstance(seconds, dict) else seconds,
    )


def _asked(record: RunRecord) -> Asked | None:
    """None for a run of another command."""
    if record.command == "edit":
        given = _Given.from_json(record.input, where="")
        settings = {key: value for key, value in record.settings.items() if key not in _HOW}
        return Asked(Path(given.video), given.prompts, EditOptions.of_table(settings))
    if record.command == "train" and record.settings.get("every_frame"):
        stages = record.input.get("stages", record.settings.get("stages"))
        options = PersonalOptions.of_table(record.settings | {"stages": stages})
        return Asked(Path(options.data), (), options)
    return None


def _results(folder: Path, asked: Asked, result: _Result) -> Iterator[Path]:
    match asked.kind:
        case "train":
            names = [ADAPTOR]
        case "compare":
            names = [_COMPARISON, *(Panel.of(label).video for label in result.panels)]
        case "edit":
            names = list(result.videos)
    return (folder / name for name in names if (folder / name).exists())
