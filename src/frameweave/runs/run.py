"""A run folder that explains itself: run.toml, log.jsonl and the artefacts.

`run.toml` holds the command, its settings, what its inputs held, the environment, the files that the run
wrote and the result; `frameweave rerun` repeats a run from it.

One rule for all commands: the same command goes on in its folder. Another run's folder is refused, unless it
is to be replaced; then only files that the earlier run wrote go, and not before the new one has opened and
checked all its inputs. No input may lie in the folder, and two runs never share it.
"""

import json
import os
import platform
import shlex
import sys
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from frameweave import __version__
from frameweave.errors import FrameweaveError, RunError
from frameweave.runs import own_files
from frameweave.runs.atomic import clear_stale, sha256
from frameweave.runs.identity import Input, check_apart
from frameweave.runs.lock import check_free, locked
from frameweave.runs.places import Numbered, point_at
from frameweave.runs.records import JsonObject
from frameweave.runs.run_file import FOLDER, RUN_FILE, RunRecord, differing, read_run, refused
from frameweave.runs.settings import Settings
from frameweave.runs.takeable import check_folder_name, check_takeable, check_writable

LOG_FILE = "log.jsonl"
_PACKAGES = ("torch", "diffusers", "transformers", "av", "numpy", "safetensors")


@dataclass(eq=False)
class Run:
    """One run in its folder. Made by `Run.planned` and then `PlannedRun.start`."""

    folder: Path
    record: RunRecord
    """What run.toml holds."""

    @classmethod
    def planned(
        cls,
        place: Path | Numbered,
        command: str,
        settings: Settings,
        *,
        given: Mapping[str, object] | None = None,
        overwrite: bool = False,
        resume: bool = False,
        free: Sequence[str] = (),
    ) -> "PlannedRun":
        """Look whether a folder can be taken: it is new, empty or, with `overwrite`, holds an earlier run.

        `given` is the run's input: values, and an `Input` for each file or folder that it reads. With
        `resume` a run of the same settings and inputs goes on in its folder; settings in `free` may differ,
        since they do not change what comes out. With both, only a run that differs is replaced. Without a
        folder, an interrupted run of the same command goes on, else a new numbered folder is made.
        Nothing is written before `PlannedRun.held`: a wrong input, which some jobs find out late, must
        neither cost an earlier result nor leave a folder that stands in the way of the corrected command.
        Raises `InputError` for an input in the folder, and `RunError` when the folder is taken by something
        else or cannot be written, and when settings or inputs differ.
        """
        record = RunRecord.of(command, settings, given)
        chosen: Path | None = None
        if isinstance(place, Path):
            check_folder_name(place)
            chosen = place.resolve() if place.is_symlink() else place
            check_apart([value for value in (given or {}).values() if isinstance(value, Input)], chosen)
        elif resume:
            chosen = _unfinished(place, record, free)
        numbered = place if isinstance(place, Numbered) else None
        plan = PlannedRun(chosen, numbered, record, overwrite=overwrite, resume=resume, free=tuple(free))
        plan.look()
        return plan

    def log(self, **values: Any) -> None:
        """Append one line to log.jsonl."""
        with (self.folder / LOG_FILE).open("a", encoding="utf-8") as file:
            file.write(json.dumps({"time": round(time.time(), 3), **values}) + "\n")

    def will_write(self, *names: str) -> None:
        """Note files, or patterns of them, as the run's own before they are written.

        Raises `RunError` when one is there that no run wrote.
        """
        own = self.record.files
        for name in names:
            if name not in own and os.path.lexists(self.folder / name):
                raise RunError(
                    f"{self.folder / name}: is there already, and no run wrote it",
                    hint="move it away, or give another --out",
                )
        if not own.keys() >= set(names):
            self._note(files=own | (dict.fromkeys(names, "") | own))

    def wrote(self, name: str) -> None:
        """Note what a finished file holds, so that a damaged one is never taken for it."""
        self._note(files=self.record.files | {name: sha256(self.folder / name)})

    def whole(self, name: str) -> bool:
        """Whether a file is there as the run, or the one that goes on, wrote it."""
        return self.record.holds(self.folder, name)

    def finish(self, result: Mapping[str, object]) -> None:
        """Write the result into run.toml."""
        self._note(result=dict(result))

    def write(self) -> None:
        """Write run.toml as it stands."""
        self.record.write(self.folder / RUN_FILE)

    def _note(self, **tables: object) -> None:
        self.record = self.record.updated(**tables)
        self.write()


@dataclass(eq=False)
class PlannedRun:
    """A run whose folder can be taken, and is not taken yet. Made by `Run.planned`."""

    chosen: Path | None
    """The run folder; None before a numbered one is made."""
    numbered: Numbered | None
    record: RunRecord
    overwrite: bool
    resume: bool
    free: tuple[str, ...]
    earlier: RunRecord | None = None
    """Of the run in the folder, if there is one."""
    goes_on: bool = False
    """Whether that run goes on; else it is replaced."""
    _started: bool = False

    @property
    def folder(self) -> Path:
        """The run folder. A new numbered one has no name before it is held."""
        assert self.chosen is not None
        return self.chosen

    @property
    def finished(self) -> JsonObject | None:
        """The result of the same run, when it is there already and every file is as the run wrote it."""
        if not self.goes_on or self.earlier is None or self.earlier.result is None:
            return None
        names = [name for name, digest in self.earlier.files.items() if digest]
        whole = all(self.earlier.holds(self.folder, name) for name in names)
        return self.earlier.result if whole else None

    def look(self) -> None:
        """Find out what is in the folder. Raises `RunError` when it cannot be taken."""
        if self.chosen is None:
            assert self.numbered is not None
            check_writable(self.numbered.parent)
            return
        self.earlier = check_takeable(self.chosen)
        if self.earlier is None:
            self.goes_on = False
            return
        apart = differing(self.earlier, self.record, self.free)
        self.goes_on = self.resume and not apart
        if not self.goes_on and not self.overwrite:
            if apart:
                raise refused(self.chosen, self.earlier, self.record, apart)
            raise RunError(f"{self.chosen}: holds a run already", hint="give another --out, or --overwrite")

    @contextmanager
    def held(self, *, shared: bool = False) -> Generator[None, None, None]:
        """Keep the folder from other runs; a folder that was made for it goes again if nothing is left in it.

        When the run ends early, its file says how. Jobs of one array are `shared`. Raises `RunError` when
        another run has it.
        """
        made = self._made() or ([self.folder] if self.earlier else [])
        try:
            with locked(self.folder, shared=shared):
                self.look()  # another run may have come and gone meanwhile
                try:
                    yield
                except BaseException as error:
                    if not shared and (self._started or self.goes_on):
                        note_end(self.folder, error)
                    raise
        finally:
            for folder in made:
                with suppress(OSError):
                    folder.rmdir()

    def start(self) -> Run:
        """Take the folder. Raises `RunError` when it was taken meanwhile, or cannot be written."""
        self._made()
        self.look()
        record = self.record.updated(environment=environment())
        if self.earlier is not None and self.goes_on:
            record = record.updated(files=self.earlier.files)
        elif self.earlier is not None:
            own_files.remove(self.folder, (LOG_FILE, *self.earlier.files))
        clear_stale(self.folder)
        run = Run(self.folder, record)
        run.write()
        self._started = True
        if self.numbered is not None:
            point_at(self.folder)
        return run

    def _made(self) -> list[Path]:
        """Make the folder; return what had to be made, the innermost first."""
        if self.chosen is None:
            assert self.numbered is not None
            self.chosen = self.numbered.new()
            return [self.chosen]
        missing = [place for place in (self.folder, *self.folder.parents) if not place.exists()]
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunError(
                f"{self.folder}: cannot be made ({error.strerror})", hint="give another --out"
            ) from error
        return missing


def note_end(folder: Path, error: BaseException) -> None:
    """Let the file of a run without a result say how it ended. What cannot be written is left."""
    with suppress(FrameweaveError, OSError):
        record = read_run(folder)
        if record.result is None:
            record.ended(error).write(folder / RUN_FILE)


def environment() -> dict[str, str]:
    """Versions of what a run depends on."""
    versions = {
        "frameweave": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
    }
    for name in _PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = "missing"
    return versions | {"command_line": shlex.join(sys.argv), FOLDER: str(Path.cwd())}


def _unfinished(place: Numbered, record: RunRecord, free: Sequence[str]) -> Path | None:
    """The folder of the same command's latest run that was interrupted, unless it works at this moment."""
    for folder in place.earlier():
        with suppress(FrameweaveError):
            earlier = read_run(folder)
            if earlier.result is None and not differing(earlier, record, free):
                check_free(folder)
                return folder
    return None
