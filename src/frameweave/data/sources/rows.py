"""Rows of tables that are texts: csv, tsv and jsonl, read row by row, and json, read as a whole."""

import csv
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from frameweave.data.text import encoding_of
from frameweave.errors import DataError

Row = Mapping[str, object]
"""Whatever stands in a row of a table, by column."""
BEYOND = "\0"
"""Where a row has the cells that lie beyond the head: no column is called so."""
_FIELD = 2**24  # bytes of a cell: 16 MB
_SEPARATOR = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)
"""The first line by which Excel is told what parts the cells."""


def rows_of(table: Path) -> Iterator[tuple[int, Row]]:
    """Rows of a csv, tsv, jsonl or json file by the line on which they end, or their number.

    Columns of one name have their cells in a list; cells beyond the head are under `BEYOND`. Cells that
    pandas left empty (NaN) are empty texts, and rows of empty cells are none.

    Raises `DataError` for a file that cannot be read, naming the line.
    """
    try:
        with table.open("rb") as start:
            encoding = encoding_of(start.read(2))
        with table.open(encoding=encoding, newline="") as file:
            for number, row in _READERS.get(table.suffix.lower(), _cells)(file, table):
                yield number, {name: "" if _is_nan(cell) else cell for name, cell in row.items()}
    except (UnicodeError, OSError) as error:
        raise DataError(f"{table}: not a table ({error})", hint="save it as UTF-8 text") from error


def _cells(file: TextIO, path: Path) -> Iterator[tuple[int, Row]]:
    csv.field_size_limit(_FIELD)
    delimiter, above = _begun(file)
    escapes = _escapes(file, delimiter)
    last: list[str] = []

    def lines() -> Iterator[str]:
        for line in file:
            last.append(_doubled(line) if escapes else line)
            yield last[-1]

    rows = csv.reader(lines(), delimiter=delimiter, skipinitialspace=True)  # before a quote, too
    raw: list[str] = []
    try:
        head = next(rows, [])
        last.clear()
        for cells in filter(_says, rows):
            raw = last.copy()
            last.clear()
            if len(raw) > 1 and (fault := _fault_of(raw, delimiter)) and "unexpected end" not in fault:
                raise DataError(
                    f"{path}, line {above + rows.line_num - len(raw) + 1}: a quote that is closed by that of "
                    f"another line ({fault})",
                    hint="close it, or double it",
                )
            yield above + rows.line_num, _row(head, cells)
    except csv.Error as error:
        raise DataError(
            f"{path}, line {above + rows.line_num}: {error}", hint="write the line again"
        ) from error

    if "unexpected end" in _fault_of(raw, delimiter):  # the last row has swallowed what followed it
        first = above + rows.line_num - len(raw) + 1
        raise DataError(f"{path}, line {first}: a quote that is never closed", hint="close it, or double it")


def _is_nan(cell: object) -> bool:
    return isinstance(cell, float) and math.isnan(cell)


def _says(cells: Sequence[str]) -> bool:
    """Whether anything stands in a row: spreadsheets end tables with rows of empty cells."""
    return any(cell.strip() for cell in cells)


def _begun(file: TextIO) -> tuple[str, int]:
    """What parts the cells of a file, whose head is then read next, and the number of lines above it."""
    told, above, start = "", 0, 0
    while line := file.readline(_FIELD):
        separator = None if told else _SEPARATOR.fullmatch(line)
        if line.strip() and separator is None:
            counts = {mark: line.count(mark) for mark in ",;\t|"}
            told = told or max(counts, key=lambda mark: counts[mark])
            break
        told = told if separator is None else separator[1]
        above += 1
        start = file.tell()
    file.seek(start)
    return told or ",", above


def _row(head: Sequence[str], cells: Sequence[str]) -> Row:
    row: dict[str, object] = {**dict.fromkeys(head), **dict(zip(head, cells, strict=False))}
    if len(row) < len(head):
        for name in {name for name in head if head.count(name) > 1}:
            row[name] = [cell for column, cell in zip(head, cells, strict=False) if column == name]
    if len(cells) > len(head):
        row[BEYOND] = cells[len(head) :]
    return row


def _escapes(file: TextIO, delimiter: str) -> bool:
    """Whether quotes within cells are behind backslashes, and not doubled; the file is where it was."""
    start = file.tell()

    def holds(*, escaped: bool) -> bool:
        file.seek(start)
        lines = (_doubled(line) if escaped else line for line in file)
        try:
            for _ in csv.reader(lines, delimiter=delimiter, skipinitialspace=True, strict=True):
                pass
        except csv.Error:
            return False
        return True

    found = any('\\"' in line for line in file) and not holds(escaped=False) and holds(escaped=True)
    file.seek(start)
    return found


def _doubled(line: str) -> str:
    """With doubled quotes in place of those behind backslashes; other backslashes are letters."""
    return line.replace('\\"', '""')


def _fault_of(row: list[str], delimiter: str) -> str:
    """What is wrong with the quotes of a row, as its lines have them; empty where nothing is."""
    try:
        list(csv.reader(row, delimiter=delimiter, skipinitialspace=True, strict=True))
    except csv.Error as error:
        return str(error)
    return ""


def _objects(file: TextIO, path: Path) -> Iterator[tuple[int, Row]]:
    for number, line in enumerate(file, 1):
        if not line.strip():
            continue
        try:
            row: Any = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{path}, line {number}: {error}", hint="write a JSON object a line") from error
        if not isinstance(row, dict):
            raise DataError(f"{path}, line {number}: no object", hint="write a JSON object a line")
        yield number, row


def _list(file: TextIO, path: Path) -> Iterator[tuple[int, Row]]:
    try:
        rows: Any = json.load(file)
    except (ValueError, RecursionError) as error:
        if str(error).startswith("Extra data"):  # JSON lines under this name
            file.seek(0)
            yield from _objects(file, path)
            return
        raise DataError(f"{path}: {error}", hint="write a list of JSON objects") from error
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise DataError(f"{path}: no list of objects", hint="write a list of JSON objects")
    yield from enumerate(rows, 1)


_READERS = {".jsonl": _objects, ".json": _list}
