"""Lists of clips: csv, tsv, jsonl and parquet, read row by row."""

import csv
import importlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from frameweave.data.record import ClipRecord, Skipped
from frameweave.errors import DataError, MissingExtra

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
_NUMBERED = re.compile(r"caption_\d+")
_FIELD = 2**24  # bytes of a cell: 16 MB


@dataclass(frozen=True)
class TableReader:
    """One clip a row: `path` (relative to the table) and `caption` (or captions, caption_0 ..); the id is
    the path unless a column gives it.

    Raises `DataError` for a table without the columns it needs, and for a row that cannot be read;
    `MissingExtra` for parquet without pyarrow.
    """

    file: Path

    def __iter__(self) -> Iterator[ClipRecord | Skipped]:
        columns: dict[str, list[str]] | None = None
        for number, row in self._rows():
            if columns is None or self.file.suffix == ".jsonl":
                columns = self._columns([str(name) for name in row])
            yield self._record(number, {str(key): value for key, value in row.items()}, columns)

    def _rows(self) -> Iterator[tuple[int, dict[str, Any]]]:
        if self.file.suffix == ".parquet":
            yield from enumerate(_parquet(self.file), 1)
            return
        try:
            with self.file.open(encoding="utf-8-sig", newline="") as file:
                yield from _json_lines(file, self.file) if self.file.suffix == ".jsonl" else _csv(file)
        except (csv.Error, UnicodeDecodeError, OSError) as error:
            raise DataError(f"{self.file}: not a table ({error})", hint="save it as UTF-8 text") from error

    def _columns(self, names: list[str]) -> dict[str, list[str]]:
        """Which columns give which field."""
        lower = {name.strip().lower(): name for name in names}
        found = {
            field: [lower[name] for name in known if name in lower][:1] for field, known in _NAMES.items()
        }
        numbered = [lower[name] for name in sorted(lower) if _NUMBERED.fullmatch(name)]
        found["captions"] = found["captions"] or numbered
        if not found["path"]:
            raise DataError(
                f"{self.file}: columns {', '.join(names)[:200]}, expected path and caption",
                hint="name the columns in the first row",
            )
        return found

    def _record(
        self, number: int, row: dict[str, Any], columns: dict[str, list[str]]
    ) -> ClipRecord | Skipped:
        def one(field: str) -> str:
            value = row.get(columns[field][0]) if columns[field] else None
            return "" if value is None else str(value)

        path, name = one("path"), one("id") or one("path")
        if not path or "\0" in path:
            return Skipped(id=name or f"row {number}", reason="no_path", detail=f"{self.file}, row {number}")
        texts = [text for column in columns["captions"] for text in _texts(row.get(column))]
        depth = one("depth")
        return ClipRecord(
            id=name,
            path=str(self.file.parent / path),
            captions=tuple(texts),
            split=one("split"),
            category=one("category"),
            origin=one("origin"),
            depth=str(self.file.parent / depth) if depth else "",
        )


def _texts(value: Any) -> list[str]:
    if isinstance(value, list):
        return [str(item) for item in value if item is not None]
    return [] if value is None else [str(value)]


def _csv(file: Any) -> Iterator[tuple[int, dict[str, Any]]]:
    csv.field_size_limit(_FIELD)
    start = file.read(64_000)
    file.seek(0)
    first = start.splitlines()[:1]
    counts = {mark: first[0].count(mark) for mark in ",;\t|"} if first else {",": 0}
    yield from enumerate(csv.DictReader(file, delimiter=max(counts, key=lambda mark: counts[mark])), 2)


def _json_lines(file: Any, path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
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


def _parquet(path: Path) -> Iterator[dict[str, Any]]:
    try:
        parquet: Any = importlib.import_module("pyarrow.parquet")
        arrow: Any = importlib.import_module("pyarrow")
    except ImportError as error:
        raise MissingExtra(
            "parquet needs pyarrow, which is not installed", hint="pip install 'frameweave[parquet]'"
        ) from error
    try:
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=1000):
                yield from batch.to_pylist()
    except (arrow.ArrowException, OSError) as error:
        raise DataError(f"{path}: not a parquet file ({error})", hint="write it again") from error
