"""Every video below a folder, with what lies beside it under the same name."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from frameweave.data.record import ClipRecord, Skipped, Told
from frameweave.video.reading import PICTURES, VIDEOS

_LARGEST = 2**24  # bytes of a file of captions: 16 MB


@dataclass(frozen=True)
class FolderReader:
    """Captions come from `<name>.txt` (a line each) or `<name>.json`, depth from `<name>.depth` or
    `<name>.depth.npy`. The id is the path below the folder, without the suffix.

    A folder of pictures is a clip when captions lie beside it. Hidden files are left alone.
    """

    folder: Path

    def __iter__(self) -> Iterator[ClipRecord | Skipped]:
        for video in sorted(files_below(self.folder), key=_order):
            if not (video.suffix.lower() in VIDEOS if video.is_file() else _is_clip(video)):
                continue
            name = (video.parent / _name(video)).relative_to(self.folder).as_posix()
            try:
                found = captions_beside(video)
            except (OSError, ValueError) as error:
                yield Skipped(id=name, reason="bad_caption", detail=str(error))
                continue
            yield ClipRecord(id=name, path=str(video), depth=depth_beside(video), **dict(found))


def files_below(folder: Path) -> Iterator[Path]:
    """Files and folders at any depth, without hidden ones, which some systems leave in archives."""
    for path in folder.rglob("*"):
        inner = path.relative_to(folder).parts
        hidden = any(part.startswith(".") or part == "__MACOSX" for part in inner)
        if not hidden:
            yield path


def _order(path: Path) -> tuple[tuple[str, ...], bool, str]:
    """By name; a video before the folder of its pictures."""
    return (*path.parent.parts, _name(path)), path.is_dir(), path.suffix


def _name(video: Path) -> str:
    """What files beside a clip are called by: folders have no suffix."""
    return video.name if video.is_dir() else video.stem


def _is_clip(folder: Path) -> bool:
    """Whether there are captions beside a folder and pictures in it."""
    if not any((folder.parent / f"{folder.name}{suffix}").is_file() for suffix in (".txt", ".json")):
        return False
    try:
        return any(path.suffix.lower() in PICTURES for path in folder.iterdir())
    except OSError:
        return False


def captions_beside(video: Path) -> Told:
    """What the text beside a video says. Raises `ValueError` for wrong JSON."""
    text, table = (video.parent / f"{_name(video)}{suffix}" for suffix in (".txt", ".json"))
    for file in (text, table):
        if file.is_file() and file.stat().st_size > _LARGEST:
            raise ValueError(f"{file.name}: more than {_LARGEST >> 20} MB of captions")
    if text.is_file():
        return Told(captions=lines_of(text.read_bytes()))
    return told_by_json(table.read_bytes()) if table.is_file() else Told()


def lines_of(content: bytes) -> tuple[str, ...]:
    """A caption a line."""
    return tuple(content.decode("utf-8", "replace").splitlines())


def told_by_json(content: bytes) -> Told:
    """From a string, a list, or an object with caption, captions or text; and split, category, origin.

    >>> told_by_json(b'{"caption": "a red car", "split": "train", "category": 3}')
    Told(captions=('a red car',), split='train', category='3', origin='')

    Raises `ValueError` when it is no JSON.
    """
    try:
        given: Any = json.loads(content)
    except RecursionError as error:
        raise ValueError("JSON that is nested too deeply") from error
    table = given if isinstance(given, dict) else {"captions": given}
    texts: Any = next((table[name] for name in ("captions", "caption", "text") if table.get(name)), ())
    split, category, origin = (
        str(table[name]) if isinstance(table.get(name), str | int) else ""
        for name in ("split", "category", "origin")
    )
    listed = texts if isinstance(texts, list) else [texts]
    captions = tuple(text for text in listed if isinstance(text, str))
    return Told(captions=captions, split=split, category=category, origin=origin)


def depth_beside(video: Path) -> str:
    """The clip's own depth, or nothing."""
    for name in (f"{_name(video)}.depth", f"{_name(video)}.depth.npy"):
        if (video.parent / name).exists():
            return str(video.parent / name)
    return ""
