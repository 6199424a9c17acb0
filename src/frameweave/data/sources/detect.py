"""Which layout a source has, and which of its clips are taken."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from frameweave.data.record import CAPTIONS_LIMIT, ClipRecord, Reader, Skipped, cleaned
from frameweave.data.sources.folder import FolderReader
from frameweave.data.sources.member import MARK
from frameweave.data.sources.msrvtt import MsrVttReader, annotations_below
from frameweave.data.sources.shards import TarReader
from frameweave.data.sources.table import SUFFIXES, TableReader
from frameweave.errors import DataError, InputError

LAYOUTS = ("auto", "msrvtt", "msrvtt-1k-a", "folder", "table", "shards")
SPLITS = {"training": "train", "val": "validate", "valid": "validate", "validation": "validate"}
"""Other names of a split."""


def read_source(
    source: str,
    *,
    layout: str = "auto",
    split: str = "",
    limit: int | None = None,
    subset: int | None = None,
    seed: int = 0,
) -> Reader:
    """The clips of a source that can be used; the others as `Skipped`.

    `split` keeps one split, `subset` draws so many clips evenly from all categories, `limit` takes the
    first. Raises `DataError` for what is no source, `InputError` for unknown names.
    """
    if layout not in LAYOUTS:
        raise InputError.unknown("layout", layout, LAYOUTS)
    for name, value in (("limit", limit), ("subset", subset)):
        if value is not None and value < 1:
            raise InputError(f"--{name} {value}, expected at least 1", hint="leave it out to take all")
    reader: Reader = Usable(_reader(source, layout))
    if split:
        reader = OfSplit(reader, SPLITS.get(split, split))
    if subset is not None:
        reader = Subset(reader, subset, seed)
    return reader if limit is None else First(reader, limit)


def _reader(source: str, layout: str) -> Reader:
    path = Path(source)
    tars = tuple(sorted(path.parent.glob(path.name))) if "*" in path.name else (path,)
    found = _layout(path, tars) if layout == "auto" else layout
    if found in ("msrvtt", "msrvtt-1k-a"):
        if not annotations_below(path):
            raise DataError(f"{path}: no annotation file of MSR-VTT in it", hint="see docs/data.md")
        return MsrVttReader(path, "1k-a" if found == "msrvtt-1k-a" else "full")
    if found == "shards":
        return TarReader(tuple(sorted(path.glob("*.tar"))) if path.is_dir() else tars)
    return TableReader(path) if found == "table" else FolderReader(path)


def _layout(path: Path, tars: tuple[Path, ...]) -> str:
    if tars and all(tar.suffix == ".tar" and tar.is_file() for tar in tars):
        return "shards"
    if path.suffix == ".zip":
        raise DataError(f"{path}: a zip", hint="unpack it, and give its folder")
    if path.is_file() and path.suffix.lower() in SUFFIXES:
        return "table"
    if not path.is_dir():
        what = "no such file or folder" if not path.exists() else "not a source"
        raise DataError(f"{path}: {what}", hint=f"give a folder, a tar, or a {', '.join(SUFFIXES)} file")
    if annotations_below(path):
        return "msrvtt"
    return "shards" if any(path.glob("*.tar")) else "folder"


@dataclass(frozen=True)
class Usable:
    """Clips whose video is there and that have a caption, each id once, with clean captions."""

    reader: Reader

    def __iter__(self) -> Iterator[ClipRecord | Skipped]:
        seen: set[bytes] = set()
        for item in self.reader:
            if isinstance(item, Skipped):
                yield item
                continue
            mark = hashlib.sha256(item.id.encode("utf-8", "surrogatepass")).digest()[:16]
            texts = tuple(dict.fromkeys(filter(None, map(cleaned, item.captions))))[:CAPTIONS_LIMIT]
            if mark in seen:
                yield Skipped(id=item.id, reason="duplicate", detail="the id was there already")
            elif not _is_there(item.path):
                yield Skipped(id=item.id, reason="missing", detail=item.path)
            elif not texts:
                yield Skipped(id=item.id, reason="no_caption", detail="no caption, or an empty one")
            else:
                seen.add(mark)
                yield replace(item, captions=texts, split=SPLITS.get(item.split.lower(), item.split.lower()))


def _is_there(path: str) -> bool:
    try:
        return f".tar{MARK}" in path or Path(path).exists()
    except (OSError, ValueError):  # names too long for the file system, or with zeros in them
        return False


@dataclass(frozen=True)
class OfSplit:
    """The clips of one split. Raises `DataError` at its end when there was none."""

    reader: Reader
    split: str

    def __iter__(self) -> Iterator[ClipRecord | Skipped]:
        found: Counter[str] = Counter()
        for item in self.reader:
            if isinstance(item, ClipRecord):
                found[item.split] += 1
                if item.split != self.split:
                    continue
            yield item
        if not found[self.split]:
            there = ", ".join(f"{count} {name or 'without split'}" for name, count in sorted(found.items()))
            raise DataError(
                f"no clip of the split {self.split!r}, found {there or 'none at all'}",
                hint="leave --split out",
            )


@dataclass(frozen=True)
class First:
    """The first so many clips, and what was skipped before them."""

    reader: Reader
    count: int

    def __iter__(self) -> Iterator[ClipRecord | Skipped]:
        left = self.count
        for item in self.reader:
            if left == 0:
                return
            left -= isinstance(item, ClipRecord)
            yield item


@dataclass(frozen=True)
class Subset:
    """So many clips, as evenly from all categories as there are, by a draw from seed and id alone."""

    reader: Reader
    count: int
    seed: int

    def __iter__(self) -> Iterator[ClipRecord | Skipped]:
        chosen = self._chosen()
        for item in self.reader:
            if isinstance(item, Skipped) or item.id in chosen:
                yield item

    def _chosen(self) -> set[str]:
        ids: defaultdict[str, list[str]] = defaultdict(list)
        for item in self.reader:
            if isinstance(item, ClipRecord):
                ids[item.category].append(item.id)
        for own in ids.values():
            own.sort(key=lambda name: hashlib.sha256(f"{self.seed} {name}".encode()).digest())
        turns = [(place, category) for category, own in sorted(ids.items()) for place in range(len(own))]
        return {ids[category][place] for place, category in sorted(turns)[: self.count]}
