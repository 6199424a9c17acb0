"""Which layout a source has, and which of its clips are taken."""

from collections.abc import Sequence
from pathlib import Path

from frameweave.data.options import CaptionSourceOptions, PrepareOptions
from frameweave.data.record import Reader
from frameweave.data.sources.annotations import ANNOTATIONS, annotations_below
from frameweave.data.sources.folder import FolderReader, files_below
from frameweave.data.sources.joining import Joined
from frameweave.data.sources.msrvtt import MsrVttReader
from frameweave.data.sources.patterns import matches
from frameweave.data.sources.shards import TarReader
from frameweave.data.sources.table import SUFFIXES, TableReader
from frameweave.data.sources.taking import First, OfSplit, Subset
from frameweave.data.sources.usable import Usable, usual_split
from frameweave.errors import DataError, InputError
from frameweave.runs.text import unwritable
from frameweave.video.reading import VIDEOS

LAYOUTS = ("auto", "msrvtt", "msrvtt-1k-a", "folder", "table", "shards")
_PACKED = (".zip", ".7z", ".gz", ".tgz", ".bz2", ".xz", ".zst")


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
    first. The clips' paths are absolute, so that a plan of them can be worked on from any folder. Raises
    `DataError` for what is no source, `InputError` for unknown names.
    """
    if layout not in LAYOUTS:
        raise InputError.unknown("layout", layout, LAYOUTS)
    for name, value in (("limit", limit), ("subset", subset)):
        if value is not None and value < 1:
            raise InputError(f"--{name} {value}, expected at least 1", hint="leave it out to take all")
    reader: Reader = Usable(_reader(source, layout))
    if split:
        reader = OfSplit(reader, usual_split(split))
    if subset is not None:
        reader = Subset(reader, subset, seed)
    return reader if limit is None else First(reader, limit)


def chosen_clips(source: str, options: PrepareOptions | CaptionSourceOptions) -> Reader:
    """What `read_source` gives for a command's settings. Raises what it raises."""
    return read_source(
        source,
        layout=options.layout,
        split=options.split,
        limit=options.limit,
        subset=options.subset,
        seed=options.seed,
    )


def _reader(source: str, layout: str) -> Reader:
    # not resolved: links stay as they are
    if unwritable(source):
        raise DataError(f"{source!r}: a name that is not UTF-8", hint="rename the source, or link to it")
    found = tuple(path.absolute() for path in matches(source))
    if not found:
        raise DataError(f"{source}: no such file or folder", hint="check the path of the source")
    layout = _layout(found) if layout == "auto" else layout
    if layout == "shards":
        tars = tuple(tar for path in found for tar in ([path] if path.is_file() else _tars(path)))
        if not tars:
            raise DataError(f"{source}: no tar in it", hint="give a tar, or a folder of some")
        return TarReader(tars)
    path = _only(found)
    if layout == "table":
        if not path.is_file():
            raise DataError(f"{path}: a folder, expected a table", hint=f"give a {', '.join(SUFFIXES)} file")
        return Joined(TableReader(path))
    if not path.is_dir():
        raise DataError(f"{path}: a file, expected a folder", hint="give the folder, or another layout")
    if layout == "folder":
        return FolderReader(path)
    if not annotations_below(path):
        raise DataError(
            f"{path}: no annotation file of MSR-VTT in it", hint=f"it is called {' or '.join(ANNOTATIONS)}"
        )
    return MsrVttReader(path, "1k-a" if layout == "msrvtt-1k-a" else "full")


def _layout(found: tuple[Path, ...]) -> str:
    if all(path.suffix.lower() == ".tar" and path.is_file() for path in found):
        return "shards"
    path = _only(found)
    if path.is_dir():
        if annotations_below(path):
            return "msrvtt"
        videos = any(file.suffix.lower() in VIDEOS and file.is_file() for file in files_below(path))
        return "shards" if not videos and _tars(path) else "folder"
    if path.name in ANNOTATIONS:
        raise DataError(f"{path}: annotations without their videos", hint="give the folder that has both")
    if path.suffix.lower() in SUFFIXES:
        return "table"
    if path.suffix.lower() in _PACKED:
        raise DataError(f"{path}: packed", hint="unpack it, and give its folder or its tar")
    raise DataError(f"{path}: not a source", hint=f"give a folder, a tar, or a {', '.join(SUFFIXES)} file")


def _only(found: Sequence[Path]) -> Path:
    if len(found) > 1:
        raise DataError(
            f"{len(found)} sources, such as {found[0]}",
            hint="only tars can be several: give one folder or file",
        )
    return found[0]


def _tars(folder: Path) -> list[Path]:
    return sorted(path for path in files_below(folder) if path.suffix.lower() == ".tar" and path.is_file())
