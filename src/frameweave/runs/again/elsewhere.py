"""Files that a run names, found again from another folder, and told when they hold something else."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar, cast

from frameweave.runs.records import JsonObject
from frameweave.runs.run_file import FOLDER, RunRecord

T = TypeVar("T")
_MAY_BE_BARE = (
    *("adaptor", "full", "model", "config", "controlnet", "control", "vae", "vision", "depth_model"),
    *("lora", "embedding", "image_adapter", "image_encoder", "data", "prior", "flow"),
)
"""Settings that may be the name of a folder alone."""
_PACKAGED = ("miniature", "strangers", "auto", "world", "none", "dis", "farneback")
"""Texts that stand for what the package brings, whatever lies there."""
_BEHIND = re.compile(r"(@[^@/]*|:[^:/]*)$")
"""What may stand behind a file: its strength, the share in which it acts, or both."""


def placed(settings: JsonObject, environment: JsonObject) -> JsonObject:
    """The settings of a run, with files that it named from its own folder by their whole paths."""
    called_in = environment.get(FOLDER)
    if not isinstance(called_in, str) or Path(called_in) == Path.cwd():
        return dict(settings)
    return {
        name: _placed(value, Path(called_in), bare=name in _MAY_BE_BARE) for name, value in settings.items()
    }


def changed(
    record: RunRecord, settings: Mapping[str, object], digests: Callable[[Path], Iterable[str]]
) -> Iterator[str]:
    """What of a run's inputs holds something else by now, in words; what is gone is told elsewhere.

    `digests` are all by which a place may be known: of a folder perhaps a part counts.
    """
    for name, before in record.contents.items():
        place = record.input.get(name, settings.get(name))
        if (
            isinstance(place, str)
            and Path(place).exists()
            and all(one != before for one in digests(Path(place)))
        ):
            yield f"{place}: it has changed since that run"


def _placed(value: T, folder: Path, *, bare: bool) -> T:
    if isinstance(value, list):
        return cast(T, [_placed(one, folder, bare=bare) for one in cast("list[object]", value)])
    if not isinstance(value, str):
        return value
    before, equals, rest = value.partition("=")
    for begins, file in (("", value), (before + equals, rest if equals else "")):
        alone = _BEHIND.sub("", file)
        for name in dict.fromkeys((file, alone)):  # an @ may be of the file's name
            if _is_file(name, folder, bare=bare):
                return cast(T, f"{begins}{folder / name}{file[len(name) :]}")
    return value


def _is_file(name: str, folder: Path, *, bare: bool) -> bool:
    """Names of what the package brings have neither a folder nor a suffix; `bare` ones may be a folder's."""
    path = Path(name)
    bare = bare and name not in _PACKAGED
    return (
        bool(name)
        and not path.is_absolute()
        and (bare or len(path.parts) > 1 or bool(path.suffix))
        and (folder / path).exists()
    )
