"""A command is called: its settings are gathered, its paths looked for, its work done, its result told.

Order of the settings: defaults, then the file of `--from`, then flags.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from frameweave.cli import checks, console, results
from frameweave.cli.command import Command, resolved
from frameweave.cli.flags import EXPLAIN, FILE, flag
from frameweave.errors import InputError, require_extra
from frameweave.runs.again.presets import Presets
from frameweave.runs.records import JsonObject
from frameweave.runs.run import Run, environment
from frameweave.runs.run_file import RunRecord
from frameweave.runs.settings import Only, Settings

HOW = ("out", "overwrite", "resume")
"""Settings that say where and how a run starts; a run file's own are not taken over."""


def call(command: Command, inputs: Sequence[Any], flags: Mapping[str, Any]) -> None:
    """Do what a command line asks for, whose flags have the names of settings."""
    file = flags.get(FILE)
    table, where = ({}, "") if file is None else _from_file(command, file)
    settings = settled(command, table, flags, where=where)
    if flags.get(EXPLAIN):
        results.explain(settings, file)
        return
    perform(command, _as_given(command, inputs), settings)


def settled(
    command: Command, table: Mapping[str, Any], flags: Mapping[str, Any], *, where: str = ""
) -> Settings:
    """The settings: those of a file's table, then the flags. Raises `InputError` for what does not fit."""
    typed = {name: value for name, value in flags.items() if name not in (FILE, EXPLAIN)}
    if table:  # what is wrong in the file is told with its name
        command.kind.of_table(table, where=where)
    settings = command.kind(**{**table, **typed, **command.fixed})
    _check_stages(command, typed, settings)
    _check_acting(command, typed, settings)
    return settings


def perform(command: Command, inputs: Sequence[Any], settings: Settings) -> None:
    """Look for everything that must be there, then work, and tell the result."""
    if getattr(settings, "ray", False) or getattr(settings, "ray_address", None):
        require_extra("ray", "ray")
    if command.needs:
        import_module(command.needs)
    checks.inputs(command, inputs)
    checks.settings(settings)
    checks.asked(command, settings)
    checks.videos(command, inputs)
    try:
        done = resolved(command.work)(*inputs, settings, progress=console.progress())
        if command.notes_run:
            _note_run(command, inputs, settings)
        for values in getattr(results, command.result)(done):
            console.result(**values)
    except OSError as error:
        if error.filename is None and (out := getattr(settings, "out", None)) is not None:
            error.filename = str(out)  # a full disk names no file
        raise


def _from_file(command: Command, name: str) -> tuple[JsonObject, str]:
    """The settings of a run file or of a preset, without where that run went, and the file's name."""
    known = command.presets or Presets("frameweave.training")
    table, where = known.settings_of(name, flag="--from-run" if command.takes_times else "--from")
    return {key: value for key, value in table.items() if key not in (*HOW, *command.fixed)}, where


def _as_given(command: Command, inputs: Sequence[Any]) -> list[Any]:
    """One value for each input: of several at the end a tuple, and defaults where none was typed."""
    given = list(inputs)
    if command.inputs and command.inputs[-1].many:
        last = len(command.inputs) - 1
        return [*given[:last], tuple(given[last:])]
    left = command.inputs[len(given) :]
    return given + [one.kind(one.default) if isinstance(one.default, str) else one.default for one in left]


def _check_stages(command: Command, typed: Mapping[str, Any], settings: Settings) -> None:
    """A number of steps for a stage that is not trained would be passed over without a word."""
    stages = getattr(settings, "stages", ())
    for name in typed:
        stage = command.only_with.get(name)
        if stage is not None and stage not in stages:
            own = f"{stages[0]}_{name}" if len(stages) == 1 and name in ("steps", "learning_rate") else ""
            raise InputError(
                f"{flag(command, name)} is for the stage {stage}, which is not trained",
                hint=f"give {flag(command, own)}" if own else "leave it out, or train that stage too",
            )


def _check_acting(command: Command, typed: Iterable[str], settings: Settings) -> None:
    """Raise an error for a flag that does nothing beside the others."""
    for name, needed in settings.idle(typed):
        ways = [way for way in needed.ways if way.setting not in command.fixed]
        said = [
            " ".join((flag(command, way.setting), " or ".join(map(str, way.values)))).strip() for way in ways
        ]
        raise InputError(
            f"{flag(command, name)} acts with {' or '.join(said)} only",
            hint=f"give {_first(command, ways[0])} too, or leave {flag(command, name)} out",
        )


def _first(command: Command, way: Only) -> str:
    """A flag that is needed, with the first of the values that suffice."""
    values = [str(value) for value in way.values if not isinstance(value, bool)]
    return " ".join([flag(command, way.setting), *values[:1]])


def _note_run(command: Command, inputs: Sequence[Any], settings: Settings) -> None:
    """Write run.toml beside what was written, for commands whose work does not."""
    folder = getattr(settings, "out", None)
    if not isinstance(folder, Path) or not folder.is_dir() or getattr(settings, "dry_run", False):
        return
    given = {one.name: _kept(value) for one, value in zip(command.inputs, inputs, strict=True)}
    told = {name: value for name, value in given.items() if value is not None}
    Run(folder, RunRecord.of(command.run, settings, told).updated(environment=environment())).write()


def _kept(value: Any) -> Any:
    """An input as run.toml holds it: paths do not depend on the folder where the command was called."""
    if isinstance(value, tuple):
        return [_kept(one) for one in value]
    if isinstance(value, Path):
        return str(value.absolute())
    if isinstance(value, str) and os.path.exists(value):  # noqa: PTH110 - it may be no path at all
        return str(Path(value).absolute())
    return value
