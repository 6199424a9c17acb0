"""run.toml: what a run was asked for, what its inputs held, and in what two runs differ."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, cast

from pydantic import Field, Strict, ValidationError

from frameweave.errors import InputError, RunError, explained
from frameweave.runs.atomic import sha256, staged
from frameweave.runs.identity import Input
from frameweave.runs.records import JsonObject, Record
from frameweave.runs.settings import Settings, read_toml, write_toml

RUN_FILE = "run.toml"
FOLDER = "folder"
"""Under which name the environment of a run has the folder in which it was called."""
_ONE_OF = re.compile(r"-\d+$")
WAITING, CANCELLED, FAILED = "waiting", "cancelled", "failed"
"""What a run file says of a run that has not come to its end."""
# settings that say how and where a run starts and what it shows meanwhile, not what it does
_HOW = ("resume", "overwrite", "out", "preview")


class RunRecord(Record):
    """The tables of a run.toml. What does not stand in the file is empty here, and is not written."""

    command: Annotated[str, Strict()]
    settings: JsonObject = Field(default_factory=dict[str, object])
    input: JsonObject = Field(default_factory=dict[str, object])
    """What the run was given beside its settings."""
    contents: JsonObject = Field(default_factory=dict[str, object])
    """What its inputs held: digests by name."""
    environment: JsonObject = Field(default_factory=dict[str, object])
    files: dict[str, str] = Field(default_factory=dict[str, str])
    """What it writes: digests by name, or by pattern; empty text for what is not finished."""
    result: JsonObject | None = None
    """What came of it; none while it runs, and when it was interrupted."""
    state: str = ""
    """How a run without a result ended: cancelled or failed; waiting before its first start. Empty while it
    works, when its process was killed, and when it is finished."""
    error: str = ""
    """Why it failed."""
    hint: str = ""
    """What to do about that."""

    @classmethod
    def of(cls, command: str, settings: Settings, given: Mapping[str, object] | None) -> "RunRecord":
        """Of what is asked for.

        What is `given` beside the settings is the run's input. Of an `Input` the content is noted, too, and
        its path where no setting names it.
        """
        record = cls(command=command, settings=settings.table())
        if given is None:
            return record
        inputs = {name: value for name, value in given.items() if isinstance(value, Input)}
        told = {
            name: _path_of(value) if isinstance(value, Input) else value
            for name, value in given.items()
            if name not in inputs or name not in type(settings).model_fields
        }
        record = record.updated(input=told)
        return (
            record.updated(contents={name: one.digest for name, one in inputs.items()}) if inputs else record
        )

    def updated(self, **changes: object) -> "RunRecord":
        """With some tables anew."""
        return self.model_copy(update=changes)

    def ended(self, error: BaseException) -> "RunRecord":
        """Without a result, by an error or because somebody stopped it."""
        if not isinstance(error, Exception):
            return self.updated(state=CANCELLED, error="", hint="")
        message, hint = explained(error)
        return self.updated(state=FAILED, error=message, hint=hint)

    @property
    def working(self) -> "RunRecord":
        """The same of a run that has begun, or goes on."""
        return self.updated(state="", error="", hint="")

    @property
    def asked(self) -> JsonObject:
        """Command, settings and inputs in one table. An empty list is a setting that came later."""
        flat = {"command": self.command, **self.settings, **self.input}
        return {name: value for name, value in flat.items() if value != []}

    def holds(self, folder: Path, name: str) -> bool:
        """Whether a finished file lies in a folder as the run wrote it."""
        digest, file = self.files.get(name), folder / name
        return bool(digest) and file.is_file() and sha256(file) == digest

    def write(self, file: Path) -> None:
        """Write it, atomically."""
        unsaid = {name for name in ("state", "error", "hint") if not getattr(self, name)}
        with staged(file) as stage:
            write_toml(stage, self.model_dump(exclude_unset=True, exclude=unsaid))


def run_file_of(path: Path) -> Path:
    """The run file of a run folder, or of a video that a run wrote alone; any other file is taken for one."""
    if path.is_dir():
        return path / RUN_FILE
    several = _ONE_OF.sub("", path.stem) + path.suffix  # x.mp4.toml tells of x-1.mp4 and x-2.mp4
    names = dict.fromkeys(f"{name}.toml" for name in (path.name, several) if path.name)
    return next((file for name in names if (file := path.with_name(name)).is_file()), path)


def read_run(path: Path) -> RunRecord:
    """A run.toml, given as the file, its folder, or the video beside which it lies.

    Raises `InputError` for a file that is missing, damaged, or none of a run.
    """
    file = run_file_of(path)
    try:
        return RunRecord.model_validate(read_toml(file))
    except ValidationError as error:
        name = error.errors()[0]["loc"][0]
        what = "no command in it" if name == "command" else f"{name} is no table"
        raise InputError(
            f"{file}: {what}, so it is no run file", hint="give the run.toml of a run folder"
        ) from None


def differing(earlier: RunRecord, now: RunRecord, free: Sequence[str] = ()) -> list[str]:
    """The names of the settings and inputs in which two runs differ.

    How and where a run starts is no difference, and neither are the settings in `free`. An input is the same
    where its content is, whatever its path.
    """
    before, after = earlier.asked, now.asked
    held, holds = earlier.contents, now.contents
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


def refused(place: Path, earlier: RunRecord, now: RunRecord, names: Sequence[str]) -> RunError:
    """The error about a folder, or a result, whose run differs in these names."""
    hint = "give the same settings or another --out; --overwrite replaces that run"
    name = names[0]
    then, this = earlier.asked.get(name), now.asked.get(name)
    if then == this and name in now.contents:
        what = f"{name} {this}" if this is not None else f"the {name}"
        hint = "put the earlier content back, or give another --out; --overwrite replaces that run"
        return RunError(f"{place}: holds a run already; {what} has changed since it began", hint=hint)
    then, this = _where_they_differ(then, this)
    return RunError(
        f"{place}: holds a run already; its run has {name} = {then!r}, this one {this!r}", hint=hint
    )


def _path_of(one: Input) -> str:
    return "" if one.path is None else str(one.path.absolute())


def _where_they_differ(one: object, other: object) -> tuple[object, object]:
    """Of two tables only the entries that are not the same."""
    if not isinstance(one, dict) or not isinstance(other, dict):
        return one, other
    first, second = cast(JsonObject, one), cast(JsonObject, other)
    apart = [key for key in sorted(first.keys() | second.keys()) if first.get(key) != second.get(key)]
    return ({key: first.get(key) for key in apart}, {key: second.get(key) for key in apart})
