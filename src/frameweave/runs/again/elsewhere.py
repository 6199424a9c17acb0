"""Files that a run names, found again from another folder, and told when they hold something else."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypeVar, cast

from frameweave.runs.identity import contents
from frameweave.runs.records import JsonObject
from frameweave.runs.run_file import FOLDER, RunRecord

T = TypeVar("T")
_BEHIND = re.compile(r"(@[^@/]*|:[^:/]*)$")
"""What may stand behind a file: its strength, the share in which it acts, or both."""


def placed(settings: JsonObject, environment: JsonObject) -> JsonObject:
    """The settings of a run, with files that it named from its own folder by their whole paths."""
    called_in = environment.get(FOLDER)
    if not isinstance(called_in, str) or Path(called_in) == Path.cwd():
        return dict(settings)
    return {name: _placed(value, Path(called_in)) for name, value in settings.items()}


def changed(record: RunRecord, settings: Mapping[str, object]) -> Iterator[str]:
    """What of a run's inputs holds something else by now, in words; what is gone is told elsewhere."""
    for name, before in record.contents.items():
        place = record.input.get(name, settings.get(name))
        if isinstance(place, str) and Path(place).exists() and contents(Path(place)) != before:
            yield f"{place}: it has changed since that run"


def _placed(value: T, folder: Path) -> T:
    if isinstance(value, list):
        return cast(T, [_placed(one, folder) for one in cast("list[object]", value)])
    if not isinstance(value, str):
        return value
    before, equals, rest = value.partition("=")
    for begins, file in (("", value), (before + equals, rest if equals else "")):
        bare = _BEHIND.sub("", file)
        for name in dict.fromkeys((file, bare)):  # an @ may be of the file's name
            if _is_file(name, folder):
                return cast(T, f"{begins}{folder / name}{file[len(name) :]}")
    return value


def _is_file(name: str, folder: Path) -> bool:
    """Names of what the package brings have neither a folder nor a suffix."""
    path = Path(name)
    return (
        bool(name)
        and not path.is_absolute()
        and (len(path.parts) > 1 or bool(path.suffix))
        and (folder / path).exists()
    )
