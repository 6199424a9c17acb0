"""`frameweave rerun`: any command that left a run.toml, once more, with changed flags."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter

from frameweave.cli import console
from frameweave.cli.calling import HOW, perform, settled
from frameweave.cli.command import REQUIRED, Command, Input
from frameweave.cli.commands import BY_RUN
from frameweave.cli.flags import FILE, function_of
from frameweave.errors import FrameweaveError, InputError
from frameweave.runs.again.elsewhere import changed as changes
from frameweave.runs.again.elsewhere import placed
from frameweave.runs.identity import contents
from frameweave.runs.run_file import RunRecord, read_run

_EVERYWHERE = ("--json", "--quiet")
"""Flags of every command: behind rerun's RUN they come with those of the command."""


def rerun(
    run: Annotated[Path, Parameter(help="A run folder, its run.toml, or a video that a run wrote alone.")],
    /,
    *flags: Annotated[
        str,
        Parameter(
            help="Any flags of the command that made the run, such as --steps 50 or --out runs/again; "
            "all else is as it was. `frameweave rerun RUN --help` lists them.",
            allow_leading_hyphen=True,
        ),
    ],
) -> None:
    """Repeat the run: its command with its inputs and settings, and the flags that are given here."""
    record = read_run(run)
    command = _command(record, run)
    table = {
        key: value for key, value in placed(record.settings, record.environment).items() if key not in HOW
    }
    inputs = [_given(record, one, run) for one in command.inputs]
    if command.name == "train all":
        table["stages"] = _given(record, Input(name="stages", help="", kind=str, many=True), run)

    def called(**changed: Any) -> None:
        if FILE in changed:
            raise InputError("--from beside rerun", hint="give one file of settings: rerun RUN")
        settings = settled(command, table, changed, where=str(run))
        kept = {name: value for name, value in table.items() if name not in changed}
        for told in changes(record, kept, _digests):
            console.progress().note(told)
        if "out" not in changed and (out := getattr(settings, "out", None)) is not None:
            settings = settings.replaced(out=_free(out))
        perform(command, inputs, settings)

    words = [word for word in flags if word not in _EVERYWHERE]
    if len(words) < len(flags):
        console.choose(quiet="--quiet" in flags, json_lines="--json" in flags)
    again = App(name=f"frameweave rerun {run}", help=command.help, version_flags=[])
    again.default(function_of(command, called, inputs=False))
    again(words, exit_on_error=False, print_error=False, result_action="return_value")


def _command(record: RunRecord, run: Path) -> Command:
    if record.command not in BY_RUN:
        raise InputError.unknown(f"command in {run}:", record.command, list(BY_RUN))
    return BY_RUN[record.command]


def _given(record: RunRecord, one: Input, run: Path) -> Any:
    """What the run was given for an input. Raises `InputError` when the file does not say it."""
    found: Any = record.input.get(one.name)
    if not found and one.default is REQUIRED:
        raise InputError(
            f"{run}: no {one.name} in its [input]",
            hint="give the run.toml of a run folder; `frameweave train` takes a preset with --from",
        )
    if not found:
        return one.default
    texts = found if one.many and isinstance(found, list) else [found]
    if not all(isinstance(text, str) for text in texts) or (one.many and not isinstance(found, list)):
        raise InputError(f"{run}: {one.name} = {found!r} in its [input]", hint="put back what stood there")
    return tuple(map(one.kind, found)) if one.many else one.kind(found)


def _digests(place: Path) -> Iterator[str]:
    """All by which runs know a file or a folder: its content, or what of a folder an edit reads."""
    yield contents(place)
    if place.is_dir():
        from frameweave.adaptor.adaptor import adaptor_file
        from frameweave.models.identity import identity
        from frameweave.video.sequences import pictures_of

        ways: list[Callable[[], str]] = [
            lambda: contents(place, pictures_of(place)),
            lambda: contents(adaptor_file(str(place))),
            lambda: identity(str(place)),
        ]
        for way in ways:
            with suppress(FrameweaveError):  # it is no folder of that kind
                yield way()


def _free(folder: Path) -> Path:
    """The folder itself, or the first of the same name with a number behind it, that is not there yet."""
    numbered = (folder.with_name(f"{folder.name}-{number}") for number in itertools.count(2))
    return next(one for one in itertools.chain([folder], numbered) if not one.exists())
