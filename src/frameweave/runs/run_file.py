"""run.toml: what a run was asked for, what its inputs held, and in what two runs differ."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from frameweave.errors import InputError, RunError
from frameweave.runs.identity import Input
from frameweave.runs.settings import Settings, read_toml

RUN_FILE = "run.toml"
_HOW = ("resume", "overwrite", "out")  # settings that say how and where a run starts, not what it does
_PARTS = ("settings", "input", "contents", "environment", "files", "result")


def run_file_of(path: Path) -> Path:
    """The run file of a run folder, or of a video that a run wrote alone; any other file is taken for one."""
    beside = path.with_name(f"{path.name}.toml") if path.name else path
    return path / RUN_FILE if path.is_dir() else beside if beside.is_file() else path


def read_run(path: Path) -> dict[str, Any]:
    """The tables of a run.toml, given as the file, its folder, or the video beside which it lies.

    Raises `InputError` for a file that is missing, damaged, or none of a run.
    """
    file = run_file_of(path)
    hint = "give the run.toml of a run folder"
    tables = read_toml(file)
    if not isinstance(tables.get("command"), str):
        raise InputError(f"{file}: no command in it, so it is no run file", hint=hint)
    for name in _PARTS:
        if not isinstance(tables.get(name, {}), dict):
            raise InputError(f"{file}: {name} is no table, so it is no run file", hint=hint)
    return tables


def tables_of(command: str, settings: Settings, given: Mapping[str, Any] | None) -> dict[str, Any]:
    """What a run file holds of what is asked for.

    What is `given` beside the settings is the run's input. Of an `Input` the content is noted, too, and its
    path where no setting names it.
    """
    tables: dict[str, Any] = {"command": command, "settings": settings.table()}
    if given is not None:
        inputs = {name: value for name, value in given.items() if isinstance(value, Input)}
        tables["input"] = {
            name: _path_of(value) if isinstance(value, Input) else value
            for name, value in given.items()
            if name not in inputs or name not in type(settings).model_fields
        }
        if inputs:
            tables["contents"] = {name: one.digest for name, one in inputs.items()}
    return tables


def differing(earlier: dict[str, Any], now: dict[str, Any], free: Sequence[str] = ()) -> list[str]:
    """The names of the settings and inputs in which two runs differ, by their tables.

    How and where a run starts is no difference, and neither are the settings in `free`. An input is the same
    where its content is, whatever its path.
    """
    before, after = _flat(earlier), _flat(now)
    held, holds = earlier.get("contents", {}), now.get("contents", {})
    names = sorted(before.keys() | after.keys() | held.keys() | holds.keys())
    found: list[str] = []
    for name in names:
        if name in _HOW or name in free:
            continue
        if name in held or name in holds:
            if held.get(name) != holds.get(name):
                found.append(name)
        elif before.get(name) != after.get(name):
            found.append(name)
    return found


def refused(place: Path, earlier: dict[str, Any], now: dict[str, Any], names: Sequence[str]) -> RunError:
    """The error about a folder, or a result, whose run differs in these names."""
    hint = "give the same settings or another --out; --overwrite replaces that run"
    name = names[0]
    then, this = _flat(earlier).get(name), _flat(now).get(name)
    if then == this and name in now.get("contents", {}):
        what = f"{name} {this}" if this is not None else f"the {name}"
        hint = "put the earlier content back, or give another --out; --overwrite replaces that run"
        return RunError(f"{place}: holds a run already; {what} has changed since it began", hint=hint)
    then, this = _where_they_differ(then, this)
    return RunError(
        f"{place}: holds a run already; its run has {name} = {then!r}, this one {this!r}", hint=hint
    )


def _path_of(one: Input) -> str:
    return "" if one.path is None else str(one.path.absolute())


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
