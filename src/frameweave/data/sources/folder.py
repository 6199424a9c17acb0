"""Every video below a folder, with what lies beside it under the same name."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from frameweave.data.record import ClipRecord, Skipped

VIDEOS = (".mp4", ".mov", ".mkv", ".webm", ".avi", ".gif", ".m4v", ".mpg", ".mpeg", ".ts")
_LARGEST = 2**24  # bytes of a file of captions: 16 MB


@dataclass(frozen=True)
class FolderReader:
    """Captions come from `<name>.txt` (a line each) or `<name>.json`, depth from `<name>.depth` or
    `<name>.depth.npy`. The id is the path below the folder, without the suffix."""

    folder: Path

    def __iter__(self) -> Iterator[ClipRecord | Skipped]:
        for video in sorted(path for path in self.folder.rglob("*") if path.suffix.lower() in VIDEOS):
            name = video.relative_to(self.folder).with_suffix("").as_posix()
            try:
                found = captions_beside(video)
            except (OSError, ValueError) as error:
                yield Skipped(id=name, reason="bad_caption", detail=str(error)[:500])
                continue
            yield ClipRecord(id=name, path=str(video), depth=depth_beside(video), **found)


def captions_beside(video: Path) -> dict[str, Any]:
    """The fields of a record that the text beside a video gives. Raises `ValueError` for wrong JSON."""
    text, table = video.with_suffix(".txt"), video.with_suffix(".json")
    for file in (text, table):
        if file.is_file() and file.stat().st_size > _LARGEST:
            raise ValueError(f"{file.name}: more than {_LARGEST >> 20} MB of captions")
    if text.is_file():
        return {"captions": tuple(text.read_text(encoding="utf-8", errors="replace").splitlines())}
    return fields_of_json(table.read_bytes()) if table.is_file() else {}


def fields_of_json(content: bytes) -> dict[str, Any]:
    """From a string, a list, or an object with caption, captions or text; and split, category, origin.

    >>> fields_of_json(b'{"caption": "a red car", "split": "train"}')
    {'captions': ('a red car',), 'split': 'train'}

    Raises `ValueError` when it is no JSON.
    """
    try:
        given: Any = json.loads(content)
    except RecursionError as error:
        raise ValueError("JSON that is nested too deeply") from error
    if not isinstance(given, dict):
        return {"captions": _strings(given)}
    texts = next((given[name] for name in ("captions", "caption", "text") if given.get(name)), ())
    others = {
        name: given[name] for name in ("split", "category", "origin") if isinstance(given.get(name), str)
    }
    return {"captions": _strings(texts), **others}


def _strings(given: Any) -> tuple[str, ...]:
    items: list[Any] = given if isinstance(given, list) else [given]
    return tuple(item for item in items if isinstance(item, str))


def depth_beside(video: Path) -> str:
    """The clip's own depth, or nothing."""
    for name in (f"{video.stem}.depth", f"{video.stem}.depth.npy"):
        if (video.parent / name).exists():
            return str(video.parent / name)
    return ""
