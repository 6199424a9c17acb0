"""MSR-VTT in the layouts that go around: the official files, the COCO-like copy, the 1k-A lists."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from frameweave.data.record import ClipRecord, Skipped
from frameweave.data.sources.annotations import annotations_below, read_annotations
from frameweave.data.sources.divisions import (
    Division,
    check_full,
    has_lists,
    number_of,
    official_split,
    one_k_a,
)
from frameweave.data.sources.folder import depth_beside, files_below
from frameweave.video.reading import VIDEOS


@dataclass(frozen=True)
class MsrVttReader:
    """The clips of an MSR-VTT folder, in the order of their numbers; videos may lie anywhere below it.

    Splits of the full division are the file's own, or the official ones where it names none. 1k-A has
    other splits, and one caption for each of its test clips. Lists of rows such as msrvtt_train_9k.json
    divide as they are called. Raises `DataError` for annotations that
    cannot be read (with line and column), for 1k-A without its lists, and where both are mixed.
    """

    folder: Path
    division: Division = "full"

    def __iter__(self) -> Iterator[ClipRecord | Skipped]:
        told = read_annotations(annotations_below(self.folder))
        yield from told.skipped
        files = {path.name: path for path in sorted(files_below(self.folder), reverse=True) if path.is_file()}
        videos = {path.stem: path for path in files.values() if path.suffix.lower() in VIDEOS}
        only: dict[str, str] = {}
        if self.division == "full" or (told.divided and not has_lists(files)):
            splits = {name: about.get("split") or official_split(name) for name, about in told.videos.items()}
            if not told.divided:
                check_full(splits)
        else:
            splits, only = one_k_a(self.folder, files)
        for name in sorted(splits, key=_order):
            if name not in videos:
                yield Skipped(id=name, reason="missing", detail=f"no {name}.mp4 below {self.folder}")
                continue
            about = told.videos.get(name, {})
            yield ClipRecord(
                id=name,
                path=str(videos[name]),
                captions=(only[name],) if name in only else tuple(told.captions[name]),
                split=splits[name],
                category=about.get("category", ""),
                origin=_origin(about.get("url", "")),
                depth=depth_beside(videos[name]),
            )


def _order(name: str) -> tuple[bool, int, str]:
    number = number_of(name)
    return number is None, number or 0, name


def _origin(url: str) -> str:
    """The video's own id on YouTube, or the whole address."""
    found = re.search(r"[?&]v=([\w-]+)|youtu\.be/([\w-]+)", url)
    return (found[1] or found[2]) if found else url
