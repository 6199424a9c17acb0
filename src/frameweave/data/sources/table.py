"""Lists of clips: csv, tsv, jsonl and parquet, read row by row."""

import csv
import difflib
import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TextIO

from frameweave.data.record import ClipRecord, Skipped
from frameweave.data.sources.parquet import Row, column_names, parquet_rows
from frameweave.data.text import encoding_of
from frameweave.errors import DataError

SUFFIXES = (".csv", ".tsv", ".jsonl", ".parquet")
_NAMES = {
    "path": ("path", "video", "video_path", "file", "filename"),
    "captions": ("captions", "caption", "text", "sentence"),
    "id": ("id", "video_id", "clip_id", "name"),
    "split": ("split",),
    "category": ("category",),
    "origin": ("origin", "url"),
    "depth": ("depth",),
}
_NUMBERED = re.compile(r"caption_?([0-9]{1,4})")
_FIELD = 2**24  # bytes of a cell: 16 MB

Columns = dict[str, list[str]]
"""Which columns give which field."""


@dataclass(frozen=True)
class TableReader:
    """One clip a row: `path` (relative to the table) and `caption` (or captions, caption_0 ..); the id is
    the path unless a column gives it.

    Raises `DataError` for a table without the columns it needs, and for a line that cannot be read;
    `MissingExtra` for parquet without pyarrow.
    """

    file: Path

    def __iter__(self) -> Iterator[ClipRecord | Skipped]:
        """As `rows`, with the rows of one video joined: its captions stand where its first row stood."""
        joined = self._joined
        given = set[bytes]()
        for item in self.rows():
            mark = _but_captions(item) if isinstance(item, ClipRecord) and joined else b""
            if mark not in joined:
                yield item
            elif mark not in given:
                given.add(mark)
                yield item.replaced(captions=tuple(joined[mark]))

    @cached_property
    def _joined(self) -> dict[bytes, dict[str, None]]:
        """The captions of videos with several rows; those of one row may be very many, and are not held."""
        marks = Counter(_but_captions(item) for item in self.rows() if isinstance(item, ClipRecord))
        found: dict[bytes, dict[str, None]] = {mark: {} for mark, count in marks.items() if count > 1}
        for item in self.rows() if found else ():
            if isinstance(item, ClipRecord) and (mark := _but_captions(item)) in found:
                found[mark] |= dict.fromkeys(item.captions)
        return found

    def rows(self) -> Iterator[ClipRecord | Skipped]:
        """A clip for each row."""
        if self.file.suffix.lower() == ".parquet":
            columns = self._columns(column_names(self.file))
            wanted = [name for names in columns.values() for name in names]
            for number, row in enumerate(parquet_rows(self.file, wanted), 1):
                yield self._record(number, row, columns)
            return
        columns = {}
        for number, row in rows_of(self.file):
            if not columns:
                columns = self._columns(row)
            elif self.file.suffix.lower() == ".jsonl":  # each line has its own keys
                columns = columns_of(row)
            yield self._record(number, row, columns)

    def _columns(self, names: Iterable[str]) -> Columns:
        found = columns_of(names)
        if not found["path"]:
            listed = ", ".join(names)[:200]
            near = difflib.get_close_matches("path", map(str.lower, names), n=1, cutoff=0.5)
            raise DataError(
                f"{self.file}: columns {listed}, expected path and caption",
                hint=f"rename {near[0]} to path" if near else "name the columns in the first row",
            )
        return found

    def _record(self, number: int, row: Row, columns: Columns) -> ClipRecord | Skipped:
        try:
            given = {field: _text(row.get(names[0])) for field, names in columns.items() if names}
            captions = tuple(text for column in columns["captions"] for text in _texts(row.get(column)))
        except UnicodeDecodeError as error:
            where = f"{self.file}, row {number}"
            return Skipped(id=f"row {number}", reason="bad_caption", detail=f"{where}: not UTF-8 ({error})")
        path, name = given.get("path", ""), given.get("id") or given.get("path", "")
        if not path or "\0" in path:
            return Skipped(id=name or f"row {number}", reason="no_path", detail=f"{self.file}, row {number}")
        depth = given.get("depth", "")
        return ClipRecord(
            id=name,
            path=str(self.file.parent / path),
            captions=captions,
            split=given.get("split", ""),
            category=given.get("category", ""),
            origin=given.get("origin", ""),
            depth=str(self.file.parent / depth) if depth else "",
        )


def rows_of(table: Path) -> Iterator[tuple[int, Row]]:
    """Rows of a csv, tsv or jsonl file by the line on which they end; cells beyond the head are under "".

    Raises `DataError` for a file that cannot be read, naming the line.
    """
    try:
        with table.open("rb") as start:
            encoding = encoding_of(start.read(2))
        with table.open(encoding=encoding, newline="") as file:
            yield from (_objects if table.suffix.lower() == ".jsonl" else _cells)(file, table)
    except (UnicodeError, OSError) as error:
        raise DataError(f"{table}: not a table ({error})", hint="save it as UTF-8 text") from error


def columns_of(names: Iterable[str]) -> Columns:
    """Which of these columns are read; their case does not matter.

    >>> found = columns_of(["Video", "caption_10", "caption_2"])
    >>> found["path"], found["captions"], found["split"]
    (['Video'], ['caption_2', 'caption_10'], [])
    """
    lower = {name.strip().lower(): name for name in names}
    found = {field: [lower[name] for name in known if name in lower][:1] for field, known in _NAMES.items()}
    numbered = {int(match[1]): lower[name] for name in lower if (match := _NUMBERED.fullmatch(name))}
    found["captions"] = found["captions"] or [numbered[number] for number in sorted(numbered)]
    return found


def _but_captions(clip: ClipRecord) -> bytes:
    """What is the same in all rows of a video; rows that differ in more, such as the split, stay apart."""
    return hashlib.sha256(repr(clip.replaced(captions=())).encode("utf-8", "surrogatepass")).digest()[:16]


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode()
    return "" if value is None else str(value)


def _texts(value: Any) -> list[str]:
    return [_text(item) for item in value] if isinstance(value, list) else [_text(value)]


def _cells(file: TextIO, path: Path) -> Iterator[tuple[int, Row]]:
    csv.field_size_limit(_FIELD)
    header = file.readline(_FIELD)
    file.seek(0)
    counts = {mark: header.count(mark) for mark in ",;\t|"}
    rows = csv.DictReader(file, restkey="", delimiter=max(counts, key=lambda mark: counts[mark]))
    try:
        yield from ((rows.line_num, row) for row in rows)
    except csv.Error as error:
        raise DataError(
            f"{path}, line {rows.reader.line_num}: {error}", hint="write the line again"
        ) from error


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
