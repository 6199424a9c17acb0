"""Tables of clips: csv, tsv, jsonl, json and parquet."""

import difflib
import math
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from frameweave.data.record import ClipRecord, Skipped
from frameweave.data.sources.divisions import number_of
from frameweave.data.sources.embedded import embedded_videos
from frameweave.data.sources.folder import files_below
from frameweave.data.sources.listed import listed
from frameweave.data.sources.member import MARK, is_there, opened
from frameweave.data.sources.parquet import column_names, parquet_rows
from frameweave.data.sources.rows import BEYOND, Row, rows_of
from frameweave.errors import DataError
from frameweave.video.reading import VIDEOS

SUFFIXES = (".csv", ".tsv", ".jsonl", ".json", ".parquet")
_EMBEDDED = ("video", "video_bytes", "mp4", "bytes", "file", "path")
"""Columns of a parquet file that may hold the videos themselves."""
_NAMES = {
    "path": ("path", "video", "video_path", "file", "filename", "file_name", "file_path", "filepath"),
    "captions": ("captions", "caption", "text", "sentence"),
    "id": ("id", "video_id", "clip_id", "name"),
    "split": ("split",),
    "category": ("category",),
    "origin": ("origin", "url"),
    "depth": ("depth",),
}
_NUMBERED = re.compile(r"(caption|sentence|text)[ _-]?([0-9]{1,4})")
_UNIT = r"(time|sec|secs|seconds|s|ms|frame)"
_PART = re.compile(
    rf"((t|clip|segment|frame|time|first|last)[ _-]?)?(start|end|begin|stop)([ _-]?{_UNIT})*"
    r"|(first|last)[ _-]frame|t[01]|in|out|from|to"
)
"""Columns that say where in a longer video a clip begins and ends; there are two of them."""
_PARTS = re.compile(r"segments?|timestamps?|time[ _-]?(span|range)|(clip|time)[ _-]?(times|interval)")
"""Columns that say both."""

Columns = dict[str, list[str]]
"""Which columns give which field."""


@dataclass(frozen=True)
class TableReader:
    """One clip a row: `path` (relative to the table) and `caption` (or captions, caption_0 ..); the id is
    the path unless a column gives it. A bare name, and an id without a path, are looked for among the videos
    below the table's folder. A parquet file may hold the videos themselves.

    Raises `DataError` for a table without the columns it needs, for one of parts of videos, and for a line
    that cannot be read; `MissingExtra` for parquet without pyarrow.
    """

    file: Path

    def __iter__(self) -> Iterator[ClipRecord | Skipped]:
        if self.file.suffix.lower() == ".parquet":
            yield from self._of_parquet()
            return
        columns = {}
        for number, row in rows_of(self.file):
            if not columns:
                columns = self._columns(row)
            elif self.file.suffix.lower() in (".jsonl", ".json"):  # each object has its own keys
                columns = columns_of(row)
                self._check_whole(row, columns)
            yield self._record(number, row, columns)

    def _of_parquet(self) -> Iterator[ClipRecord | Skipped]:
        names = column_names(self.file)
        videos = embedded_videos(self.file, _EMBEDDED)
        if videos is None:
            columns = self._columns(names)
            wanted = [name for own in columns.values() for name in own]
            for number, row in enumerate(parquet_rows(self.file, wanted), 1):
                yield self._record(number, row, columns)
            return
        columns = columns_of(name for name in names if name != videos.column)
        wanted = [name for own in columns.values() for name in own] + [videos.name] * bool(videos.name)
        firsts = dict[str, str]()
        for number, row in enumerate(parquet_rows(self.file, wanted), 1):
            named = columns["id"] or columns["path"]
            name = _text(row.get(named[0])) if named else _path_in(row.get(videos.column))
            path = f"{self.file}{MARK}{videos.bytes}/{number - 1}"
            first = firsts.setdefault(name, path) if name else path
            if first != path and _same(first, path):  # a row for each of its captions
                path = first
            given = {"path": path, "id": name or f"row {number}"}
            yield self._record(number, {**row, **given}, columns | {"path": ["path"], "id": ["id"]})

    def _columns(self, names: Iterable[str]) -> Columns:
        names = list(names)
        found = columns_of(names)
        if not found["path"] and not (found["id"] and self._below):
            there = ", ".join(names)[:200]
            near = difflib.get_close_matches("path", map(str.lower, names), n=1, cutoff=0.5)
            raise DataError(
                f"{self.file}: columns {there}, expected path and caption",
                hint=f"rename {near[0]} to path" if near else "name the columns in the first row",
            )
        self._check_whole(names, found)
        return found

    def _check_whole(self, names: Iterable[str], found: Columns) -> None:
        """Raise `DataError` for rows of parts of videos."""
        if found["origin"]:  # they are where the clip was cut from
            return
        parts = [name for name in names if _PART.fullmatch(name.strip().lower())]
        both = [name for name in names if _PARTS.fullmatch(name.strip().lower())]
        if len(parts) > 1 or both:
            raise DataError(
                f"{self.file}: columns {' and '.join([*parts, *both])}, but videos are taken whole",
                hint="cut the parts out into files of their own; remove the columns if that is done",
            )

    def _record(self, number: int, row: Row, columns: Columns) -> ClipRecord | Skipped:
        where = f"{self.file}, row {number}"
        try:
            given = {field: _text(row.get(names[0])) for field, names in columns.items() if names}
            captions = tuple(text for column in columns["captions"] for text in _captions(row.get(column)))
        except UnicodeDecodeError as error:
            return Skipped(id=f"row {number}", reason="bad_caption", detail=f"{where}: not UTF-8 ({error})")
        path, name = given.get("path", ""), given.get("id") or given.get("path", "")
        if any(text.strip() for text in _texts(row.get(BEYOND))):
            detail = f"{where}: more cells than the first row has; quote captions with commas"
            return Skipped(id=name or f"row {number}", reason="bad_caption", detail=detail)
        if not path and (other := _video_in(row, columns)):
            raise DataError(f"{where}: {row[other]} in the column {other}", hint=f"rename {other} to path")
        place = "" if "\0" in path + name else self._place(path, name)
        if not place:
            return Skipped(id=name or f"row {number}", reason="no_path", detail=where)
        depth = given.get("depth", "")
        return ClipRecord(
            id=name,
            path=place,
            captions=captions,
            split=given.get("split", ""),
            category=given.get("category", ""),
            origin=given.get("origin", ""),
            depth=str(self.file.parent / depth) if depth else "",
        )

    def _place(self, path: str, name: str) -> str:
        """Where the video of a row lies; empty when that is not said."""
        given = str(self.file.parent / path) if path else ""
        if "\\" in path and not is_there(given):  # written on Windows
            path = path.replace("\\", "/")
            given = str(self.file.parent / path)
        if path and ("/" in path or is_there(given)):
            return given
        return self._below.get(path or name, given)

    @cached_property
    def _below(self) -> dict[str, str]:
        """The videos below the table's folder, by names that no other has; MSR-VTT's by numbers too."""
        found: defaultdict[str, list[str]] = defaultdict(list)
        for video in files_below(self.file.parent):
            if video.suffix.lower() in VIDEOS and video.is_file():
                number = number_of(video.stem)
                for name in {video.name, video.stem, video.stem if number is None else str(number)}:
                    found[name].append(str(video))
        return {name: places[0] for name, places in found.items() if len(places) == 1}


def columns_of(names: Iterable[str]) -> Columns:
    """Which of these columns are read; their case does not matter.

    >>> found = columns_of(["Video", "caption_10", "caption_2"])
    >>> found["path"], found["captions"], found["split"]
    (['Video'], ['caption_2', 'caption_10'], [])
    """
    lower: defaultdict[str, list[str]] = defaultdict(list)
    for name in names:
        lower[name.strip().lower()].append(name)
    own = {
        field: next((lower[name] for name in known if name in lower), []) for field, known in _NAMES.items()
    }
    if not own["path"] and "video_id" in lower:  # beside it, an id may be that of the caption
        own["id"] = lower["video_id"]
    if "captions" not in lower:
        numbered = [(int(match[2]), name) for name in lower if (match := _NUMBERED.fullmatch(name))]
        own["captions"] = own["captions"] + [column for _, name in sorted(numbered) for column in lower[name]]
    return {field: columns if field == "captions" else columns[:1] for field, columns in own.items()}


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode()
    if value is None or isinstance(value, bool) or (isinstance(value, float) and math.isnan(value)):
        return ""  # pandas writes NaN for cells that are empty
    return "" if isinstance(value, list | dict) else str(value)


def _captions(value: Any) -> list[str]:
    """Those of a cell, which may be a list, also one that is written out."""
    return [text for found in _texts(value) for text in listed(found) or [found]]


def _video_in(row: Row, columns: Columns) -> str:
    """A column that names a video, though it is none of those that are known; empty without one."""
    known = {name for own in columns.values() for name in own}
    others = ((str(name), cell) for name, cell in row.items() if name not in known)
    found = (name for name, cell in others if isinstance(cell, str) and cell.lower().endswith(tuple(VIDEOS)))
    return next(found, "")


def _same(first: str, second: str) -> bool:
    """Whether two cells hold the same video; one that holds none is told when it is read."""
    try:
        with opened(first) as one:
            content = b"" if isinstance(one, Path) else one.read()
        with opened(second) as other:
            return not isinstance(other, Path) and content == other.read()
    except DataError:
        return False


def _path_in(video: Any) -> str:
    """Of a cell that holds a video: its bytes alone, or with the path where it lay."""
    return _text(video.get("path")) if isinstance(video, dict) else ""


def _texts(value: Any) -> list[str]:
    """Texts and numbers, also of lists within lists; tables have no meaning here."""
    if isinstance(value, list):
        return [text for item in value for text in _texts(item)]
    return [] if isinstance(value, dict) else [_text(value)]
