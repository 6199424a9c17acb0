"""What a benchmark is: where its prompts, sources and edits lie, what it measures, and how it sums up."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from frameweave.errors import DataError
from frameweave.measuring.metrics.base import Metric
from frameweave.measuring.metrics.encoders import Seeing
from frameweave.measuring.report.table import Entry, Row
from frameweave.runs.records import read_json
from frameweave.video.reading import VIDEOS
from frameweave.video.sequences import PICTURES


@dataclass(frozen=True, kw_only=True)
class BenchEdit:
    """An edit that a benchmark asks for."""

    name: str
    group: str
    """Edits of one group are averaged first; empty where the benchmark has none."""
    prompt: str
    source_prompt: str = ""
    edited: Path | None
    """None when no such edit is there."""
    wanted: Path
    """Where it should be: without the suffix of a video."""
    source: Path | None = None
    mask: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Column:
    """A measure of a benchmark."""

    metric: Metric
    network: str = ""
    """The network by which the benchmark measures it; empty when it needs none."""
    scale: float = 1.0
    """By which its mean is multiplied in the benchmark's tables."""
    part: str = ""
    """Of which score it is a part."""


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """A published benchmark."""

    title: str
    layout: str
    """What its folders hold, in words."""
    read: Callable[[Path, Path], Sequence[BenchEdit]]
    """The edits that it asks for, given its data and the folder of the edits.

    Raises `DataError` for data that are not its own.
    """
    columns: Callable[[Seeing], Sequence[Column]]
    stride: int = 1
    """Which frames count: the first, and each so many after it."""
    masked: bool = False
    """Whether an edit without a source and a mask is left out."""
    at_source_size: bool = False
    """Whether edits are scaled to the size of their sources, and cut to their length; else both must be alike
    but for the size, and sources are scaled."""
    totals: Callable[[Sequence[Column], Mapping[str, float]], Sequence[Row]] | None = None
    """Further rows of its table, from the means by measure."""


def lacking(name: str, title: str, needs: str, *, better: str = "higher") -> Metric:
    """A measure that needs a network which is not here."""
    return Metric(
        name=name,
        title=title,
        better="lower" if better == "lower" else "higher",
        digits=3,
        definition=f"Not measured: {needs}.",
        needs=frozenset(),
        measure=lambda _: float("nan"),
        lacks=f"needs {needs}, which Frameweave does not have",
    )


def listed(table: Path, layout: str) -> list[object]:
    """The entries of a json list. Raises `DataError` for another file."""
    found = read_json(table, hint=layout)
    if not isinstance(found, list):
        raise DataError(f"{table}: a json {type(found).__name__}, expected a list", hint=layout)
    return cast("list[object]", found)


def video_at(place: Path) -> Path | None:
    """The video of that name, without its suffix: a folder of pictures, else a file."""
    return next(_at(place), None)


def edit_at(place: Path) -> Path | None:
    """The edit of that name, without its suffix. Raises `DataError` where there are several."""
    found = list(_at(place))
    if len(found) > 1:
        raise DataError(
            f"{found[0]} and {found[1]}: both may be the edit {place.name}", hint="move one of them away"
        )
    return found[0] if found else None


def first_there(places: Sequence[Path]) -> Path | None:
    """The first place that has a video."""
    return next((found for place in places if (found := video_at(place))), None)


def inside(folder: Path, name: str, where: str) -> Path:
    """A place below a folder. Raises `DataError` for a name that leads elsewhere."""
    if not name.strip() or Path(name).is_absolute() or ".." in Path(name).parts or "\0" in name:
        raise DataError(f"{where}: {name!r}, expected a name inside of the folder", hint="correct the table")
    return folder / name


def _at(place: Path) -> Iterator[Path]:
    """All that may be meant, without its suffix."""
    if place.is_dir() and _holds_pictures(place):
        yield place
    yield from (file for suffix in VIDEOS if (file := place.with_name(place.name + suffix)).is_file())


def _holds_pictures(folder: Path) -> bool:
    return any(file.suffix.lower() in PICTURES for file in folder.iterdir())


def none(reason: str) -> Entry:
    """An entry without a figure."""
    return Entry(reason=reason)
