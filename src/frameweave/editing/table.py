"""Tables of edits: csv or jsonl files whose lines name a video, a prompt, and more."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from frameweave.data.sources.rows import rows_of
from frameweave.errors import DataError, InputError
from frameweave.runs.text import unwritable


def read_edits(
    table: Path, columns: Mapping[str, Callable[[Any], Any]], *, needed: Sequence[str] = ("video", "prompt")
) -> Iterator[dict[str, Any]]:
    """The lines of a table, checked: what is `needed`, and what is given of `columns`.

    Empty fields are left out. Raises `DataError` for a table that cannot be read, naming the line.
    """
    if not table.is_file():
        found = "a folder" if table.is_dir() else "no such file"
        raise DataError(
            f"{table}: {found}, expected a csv or jsonl table", hint="check the path of the table"
        )
    for number, row in rows_of(table):
        given = {key: value for key, value in row.items() if value not in (None, "")}
        if isinstance(given.get(""), list):
            raise DataError(
                f"{table}, line {number}: more fields than the head has",
                hint='quote a prompt that has commas: clip.mp4,"a red car, in the snow"',
            )
        yield _checked(given, f"{table}, line {number}", columns, needed)


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


def _checked(
    row: dict[str, Any], where: str, columns: Mapping[str, Callable[[Any], Any]], needed: Sequence[str]
) -> dict[str, Any]:
    known = [*needed, *columns]
    if text := unwritable(row):
        raise DataError(f"{where}: {text!r} is not UTF-8 text", hint="write it without NUL and surrogates")
    for key in row:
        if key not in known:
            raise DataError(str(InputError.unknown(f"column in {where}:", str(key), known)))
    for key in needed:
        if not isinstance(row.get(key), str) or not row[key].strip():
            raise DataError(f"{where}: no {key}", hint=f"every line needs {' and '.join(needed)}")
    try:
        return {key: columns.get(key, str)(value) for key, value in row.items()}
    except (TypeError, ValueError) as error:
        raise DataError(f"{where}: {error}", hint="correct the value") from error
