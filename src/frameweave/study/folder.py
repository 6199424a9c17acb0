"""What lies where in a study's folder, and reading its design back."""

from pathlib import Path
from typing import cast

from frameweave.errors import DataError, InputError
from frameweave.runs.atomic import stage_of, verify, write_text
from frameweave.runs.records import JsonObject, read_json
from frameweave.study.design import Design, Pair

DESIGN, MEDIA, SECRET, ANSWERS = "design.json", "media", "secret", "answers.sqlite"


def read_design(folder: Path) -> Design:
    """The design of a study's folder. Raises `DataError` when there is none, or a video is missing."""
    file = folder / DESIGN
    try:
        design = _designed(read_json(file))
    except (DataError, InputError) as error:
        reason = str(error.args[0]).removeprefix(f"{file}: ")
        raise DataError(
            f"{file}: no study ({reason})", hint="build one with `frameweave study new`"
        ) from error
    for pair in (*design.pairs, *design.obvious):
        for name in (*pair.media, *([pair.source] if pair.source else [])):
            if not (folder / MEDIA / name).is_file():
                raise DataError(f"{folder / MEDIA / name}: missing", hint="build the study again")
    return design


def _designed(found: object) -> Design:
    """From what the file holds; its pairs first, so that an error says in which of them it is."""
    if not isinstance(found, dict):
        raise DataError("expected an object")
    table = cast(JsonObject, found)
    for name in ("pairs", "obvious"):
        if isinstance(given := table.get(name), list):
            each = enumerate(cast("list[object]", given), 1)
            table[name] = tuple(Pair.from_json(pair, where=f"{name}, number {n}: ") for n, pair in each)
    return Design.of_table(table)


def is_taken(folder: Path) -> bool:
    """Whether there is a study, or anything else.

    What a study has left that was stopped while it was built is neither: its media, whole or being written.
    """
    others = [path for path in folder.iterdir() if stage_of(path) is None]
    return any(path.name != MEDIA or verify(path) for path in others)


def write_design(folder: Path, design: Design) -> None:
    """Write it beside its videos, as the last thing: a study that was stopped while it was built is none."""
    write_text(folder / DESIGN, design.model_dump_json(indent=1))
