"""MSR-VTT in the layouts that go around: the official files, the COCO-like copy, the 1k-A lists.

All name videos "video123". Splits are by that number where a file does not say: 0 to 6512 train, 6513 to
7009 validate, 7010 to 9999 test (6,513 / 497 / 2,990). 1k-A has another division, whose training
clips include test clips of the full one, so the two are never mixed.
"""

import csv
import json
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from frameweave.data.record import ClipRecord, Skipped
from frameweave.errors import DataError

ANNOTATIONS = (
    "train_val_videodatainfo.json",
    "test_videodatainfo.json",
    "videodatainfo_2017.json",
    "MSRVTT_data.json",
    "MSR_VTT.json",
)
_NUMBER = re.compile(r"video(\d+)")
_FIRST = {"train": 0, "validate": 6513, "test": 7010}
_ONE_K = "MSRVTT_JSFUSION_test.csv"
_LISTS = {"MSRVTT_train.9k.csv": "train", "MSRVTT_train.7k.csv": "train"}

Division = Literal["full", "1k-a"]


def annotations_below(folder: Path) -> list[Path]:
    """MSR-VTT's annotation files in a folder or in those below it."""
    places = [folder, *sorted(path for path in folder.glob("*") if path.is_dir())]
    return [place / name for place in places for name in ANNOTATIONS if (place / name).is_file()]


def official_split(video: str) -> str:
    """The split of the full division by the number in the name; empty for other names.

    >>> [official_split(f"video{n}") for n in (0, 6512, 6513, 7009, 7010, 9999)]
    ['train', 'train', 'validate', 'validate', 'test', 'test']
    """
    found = _NUMBER.fullmatch(video)
    if not found:
        return ""
    return [split for split, first in _FIRST.items() if int(found[1]) >= first][-1]


@dataclass(frozen=True)
class MsrVttReader:
    """The clips of an MSR-VTT folder, in the order of their numbers.

    Raises `DataError` for annotations that cannot be read (with line and column), and for the 1k-A
    division without its lists.
    """

    folder: Path
    division: Division = "full"

    def __iter__(self) -> Iterator[ClipRecord | Skipped]:
        clips: dict[str, dict[str, Any]] = {}
        captions: defaultdict[str, list[str]] = defaultdict(list)
        for file in annotations_below(self.folder):
            _read(file, clips, captions)
        division = self._one_k(captions) if self.division == "1k-a" else None
        videos = _videos(self.folder)
        for name in sorted(clips, key=_order):
            if division is not None and name not in division:
                continue
            about = clips[name]
            given = str(about.get("split") or "") or official_split(name)
            if name not in videos:
                yield Skipped(id=name, reason="missing", detail=f"no {name}.mp4 below {self.folder}")
                continue
            depth = videos[name].parent / f"{name}.depth.npy"
            yield ClipRecord(
                id=name,
                path=str(videos[name]),
                captions=tuple(captions[name]),
                split=given if division is None else division[name],
                category="" if about.get("category") is None else str(about["category"]),
                origin=_origin(str(about.get("url") or "")),
                depth=str(depth) if depth.is_file() else "",
            )

    def _one_k(self, captions: defaultdict[str, list[str]]) -> dict[str, str]:
        """The split of each clip of 1k-A; a test clip's one sentence replaces its captions."""
        found: dict[str, str] = {}
        for name, split in _LISTS.items():
            if file := next(iter(sorted(self.folder.rglob(name))), None):
                found |= {row["video_id"]: split for row in _csv(file) if row.get("video_id")}
        test = next(iter(sorted(self.folder.rglob(_ONE_K))), None)
        if test is None:
            raise DataError(
                f"{self.folder}: no {_ONE_K} in it", hint="use the full division, or add the list"
            )
        for row in _csv(test):
            if row.get("video_id"):
                found[row["video_id"]] = "test"
                captions[row["video_id"]] = [row.get("sentence") or ""]
        return found


def _read(file: Path, clips: dict[str, dict[str, Any]], captions: defaultdict[str, list[str]]) -> None:
    """Add what an annotation file tells."""
    try:
        table: Any = json.loads(file.read_text(encoding="utf-8", errors="replace"))
    except json.JSONDecodeError as error:
        raise DataError(
            f"{file}, line {error.lineno}, column {error.colno}: {error.msg}", hint="copy the file again"
        ) from error
    except (OSError, RecursionError) as error:
        raise DataError(f"{file}: cannot be read ({error})", hint="copy the file again") from error
    if not isinstance(table, dict):
        raise DataError(f"{file}: no object", hint="give MSR-VTT's own annotation file")
    lists = [(table.get(a), table.get(b)) for a, b in (("videos", "sentences"), ("images", "annotations"))]
    videos, sentences = next(
        ((a, b) for a, b in lists if isinstance(a, list) and isinstance(b, list)), (None, None)
    )
    if videos is None or sentences is None:
        raise DataError(
            f"{file}: found {', '.join(sorted(map(str, table))[:8])}, expected videos and sentences",
            hint="give MSR-VTT's own annotation file",
        )
    for video in videos:
        if isinstance(video, dict):
            name = str(video.get("video_id") or video.get("id") or "")
            if name and "/" not in name:
                clips.setdefault(name, {}).update(video)
    for sentence in sentences:
        if isinstance(sentence, dict):
            name = str(sentence.get("video_id") or sentence.get("image_id") or "")
            if isinstance(sentence.get("caption"), str):
                captions[name].append(sentence["caption"])


def _csv(file: Path) -> Iterator[dict[str, str]]:
    """Rows of a list, whose copies have commas or semicolons."""
    try:
        text = file.read_text(encoding="utf-8-sig", errors="replace")
        first = text.split("\n", 1)[0]
        yield from csv.DictReader(
            text.splitlines(), delimiter=";" if first.count(";") > first.count(",") else ","
        )
    except (OSError, csv.Error) as error:
        raise DataError(f"{file}: not a list ({error})", hint="copy the file again") from error


def _videos(folder: Path) -> dict[str, Path]:
    """The files by name, wherever they lie below the folder."""
    return {path.stem: path for path in sorted(folder.rglob("*.mp4"), reverse=True)}


def _order(name: str) -> tuple[int, str]:
    found = _NUMBER.fullmatch(name)
    return (int(found[1]) if found else 10**9, name)


def _origin(url: str) -> str:
    """The video's own id on YouTube, or the whole address."""
    found = re.search(r"[?&]v=([\w-]+)|youtu\.be/([\w-]+)", url)
    return (found[1] or found[2]) if found else url
