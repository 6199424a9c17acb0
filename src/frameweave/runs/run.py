"""A run folder that explains itself: run.toml, log.jsonl and the artefacts.

`run.toml` holds the command, its settings, the environment and the result; `frameweave rerun`
repeats a run from it.
"""

import json
import os
import platform
import shlex
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, cast

from frameweave import __version__
from frameweave.errors import RunError
from frameweave.runs.atomic import clear_stale, holds_more_than_stages, staged
from frameweave.runs.settings import Settings, read_toml, write_toml

RUN_FILE = "run.toml"
LOG_FILE = "log.jsonl"
_PACKAGES = ("torch", "diffusers", "transformers", "av", "numpy", "safetensors")


@dataclass(frozen=True)
class Run:
    """One run in its folder. Made by `Run.planned` and then `PlannedRun.start`."""

    folder: Path
    tables: dict[str, Any]

    @classmethod
    def planned(
        cls,
        folder: Path,
        command: str,
        settings: Settings,
        *,
        given: dict[str, Any] | None = None,
        overwrite: bool = False,
        resume: bool = False,
        free: Sequence[str] = (),
    ) -> "PlannedRun":
        """Look whether a folder can be taken: it is new, empty or, with `overwrite`, holds an earlier run.

        `given` is the run's input. With `resume` an unfinished run of the same settings and input
        goes on in its folder; settings in `free` may differ, since they do not change what comes out.
        With both, only a run of other settings or another input is replaced.
        Nothing is written before `PlannedRun.start`: a wrong input, which some jobs find out late, must
        neither cost an earlier result nor leave a folder that stands in the way of the corrected command.
        Raises `RunError` when the folder is taken by something else or cannot be written, and when
        settings or input differ.
        """
        tables: dict[str, Any] = {"command": command, "settings": settings.table()}
        if given is not None:
            tables["input"] = given
        earlier = read_run(folder) if resume and (folder / RUN_FILE).is_file() else None
        if earlier is None or (overwrite and differing(earlier, tables, free)):
            _check_takeable(folder, overwrite=overwrite)
            return PlannedRun(folder, tables, goes_on=False, overwrite=overwrite)
        _check_same(folder, earlier, tables, free)
        return PlannedRun(folder, tables, goes_on=True, overwrite=overwrite)

    def log(self, **values: Any) -> None:
        """Append one line to log.jsonl."""
        with (self.folder / LOG_FILE).open("a", encoding="utf-8") as file:
            file.write(json.dumps({"time": round(time.time(), 3), **values}) + "\n")

    def finish(self, result: dict[str, Any]) -> None:
        """Write the result into run.toml."""
        self.tables["result"] = result
        self.write()

    def write(self) -> None:
        """Write run.toml as it stands."""
        with staged(self.folder / RUN_FILE) as stage:
            write_toml(stage, self.tables)


@dataclass(frozen=True)
class PlannedRun:
    """A run whose folder can be taken, and is not taken yet. Made by `Run.planned`."""

    folder: Path
    tables: dict[str, Any]
    goes_on: bool
    """Whether an unfinished run goes on."""
    overwrite: bool
    """Whether an earlier run is replaced where none goes on."""

    def start(self) -> Run:
        """Take the folder. Raises `RunError` when it was taken meanwhile, or cannot be written."""
        if not self.goes_on:
            _take(self.folder, overwrite=self.overwrite)
        run = Run(self.folder, self.tables | {"environment": environment()})
        run.write()
        return run


def read_run(path: Path) -> dict[str, Any]:
    """The tables of a run.toml, given as the file or as its folder."""
    return read_toml(path / RUN_FILE if path.is_dir() else path)


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
    return versions | {"command_line": shlex.join(sys.argv)}


_HOW = ("resume", "overwrite", "out")  # settings that say how and where a run starts, not what it does


def differing(earlier: dict[str, Any], now: dict[str, Any], free: Sequence[str] = ()) -> list[str]:
    """The names of the settings and inputs in which two runs differ, by their tables.

    How and where a run starts is no difference, and neither are the settings in `free`.
    """
    before, after = _flat(earlier), _flat(now)
    names = sorted(before.keys() | after.keys())
    return [name for name in names if name not in (*_HOW, *free) and before.get(name) != after.get(name)]


def _flat(tables: dict[str, Any]) -> dict[str, Any]:
    flat = {"command": tables.get("command"), **tables.get("settings", {}), **tables.get("input", {})}
    return {name: value for name, value in flat.items() if value != []}  # a setting that came later


def _where_they_differ(one: Any, other: Any) -> tuple[Any, Any]:
    """Of two tables only the entries that are not the same."""
    if not isinstance(one, dict) or not isinstance(other, dict):
        return one, other
    first, second = cast(dict[str, Any], one), cast(dict[str, Any], other)
    apart = [key for key in sorted(first.keys() | second.keys()) if first.get(key) != second.get(key)]
    return ({key: first.get(key) for key in apart}, {key: second.get(key) for key in apart})


def _check_same(folder: Path, earlier: dict[str, Any], now: dict[str, Any], free: Sequence[str]) -> None:
    for name in differing(earlier, now, free):
        then, this = _where_they_differ(_flat(earlier).get(name), _flat(now).get(name))
        raise RunError(
            f"{folder}: its run has {name} = {then!r}, this one {this!r}",
            hint="give the same settings or another --out; --overwrite deletes that run and starts anew",
        )


def _check_takeable(folder: Path, *, overwrite: bool) -> None:
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    if not there.is_dir():
        raise RunError(f"{there}: a file, expected a folder", hint="give another --out")
    if not os.access(there, os.W_OK):
        raise RunError(f"{there}: cannot be written", hint="give another --out, or change its rights")
    if folder.is_dir() and holds_more_than_stages(folder):
        if not (folder / RUN_FILE).is_file():
            raise RunError(f"{folder}: not empty, and not a run folder", hint="give another --out")
        if not overwrite:
            raise RunError(f"{folder}: holds a run already", hint="give another --out, or --overwrite")


def _take(folder: Path, *, overwrite: bool) -> None:
    _check_takeable(folder, overwrite=overwrite)
    if (folder / RUN_FILE).is_file():
        shutil.rmtree(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"{folder}: cannot be made ({error.strerror})", hint="give another --out") from error
    clear_stale(folder)
