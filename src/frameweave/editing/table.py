"""Tables of edits: csv or jsonl files whose lines name a video, a prompt, and more."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from frameweave.data.sources.rows import BEYOND, rows_of
from frameweave.errors import DataError, InputError
from frameweave.runs.records import Record
from frameweave.runs.text import unwritable

L = TypeVar("L", bound=Record)


class EditLine(Record):
    """What a line of every table of edits may say."""

    video: str
    prompt: str
    name: str = ""
    source_prompt: str = ""
    negative_prompt: str = ""


def read_edits(table: Path, kind: type[L]) -> Iterator[L]:
    """The lines of a table. Columns are the fields of `kind`; those without a default are needed.

    Empty fields are left out. Raises `DataError` for a table that cannot be read, naming the line.
    """
    if not table.is_file():
        found = "a folder" if table.is_dir() else "no such file"
        raise DataError(
            f"{table}: {found}, expected a csv or jsonl table", hint="check the path of the table"
        )
    for number, row in rows_of(table):
        # pandas writes a first column without a name, in which it counts the rows
        given = {key: value for key, value in row.items() if key and value not in (None, "")}
        if BEYOND in given:
            raise DataError(
                f"{table}, line {number}: more fields than the head has",
                hint='quote a prompt that has commas: clip.mp4,"a red car, in the snow"',
            )
        lists = [] if table.suffix.lower() in (".json", ".jsonl") else given.items()
        if doubled := next((key for key, value in lists if isinstance(value, list)), None):
            raise DataError(
                f"{table}: several columns {doubled!r}, expected one", hint="give each its own name"
            )
        yield _checked(kind, given, f"{table}, line {number}")


def folder_name(name: str) -> str:
    """A name that may become a folder. Raises `DataError` for one that leads elsewhere."""
    if not name.strip(". ") or any(mark in name for mark in "/\\\0"):
        raise DataError(f"name {name!r}, expected a folder's name", hint="leave out slashes")
    return name


def check_names(table: Path, names: Sequence[str]) -> None:
    """Of each line. Raises `InputError` for a table without lines, `DataError` for a name on two of them."""
    if not names:
        raise InputError(f"{table}: no lines", hint="give each edit a line below the head")
    refuse_doubles(table, names)


def refuse_doubles(table: Path, names: Iterable[str]) -> None:
    """Raise `DataError` when a table gives two lines one name."""
    name, times = next(iter(Counter(names).most_common(1)), ("", 0))
    if times > 1:
        raise DataError(f"{table}: the name {name!r} is there {times} times", hint="give each line its own")


def _checked(kind: type[L], row: Mapping[str, object], where: str) -> L:
    fields = kind.model_fields
    needed = [name for name, field in fields.items() if field.is_required()]
    if text := unwritable(row):
        raise DataError(f"{where}: {text!r} is not UTF-8 text", hint="write it without NUL and surrogates")
    for key in row:
        if key not in fields:
            raise DataError(str(InputError.unknown(f"column in {where}:", str(key), list(fields))))
    for key in needed:
        if not isinstance(given := row.get(key), str) or not given.strip():
            raise DataError(f"{where}: no {key}", hint=f"every line needs {' and '.join(needed)}")
    return kind.from_json(row, where=f"{where}: ", hint="correct the value")
