"""MSR-VTT's annotation files: the official form, the copy in COCO's form, and lists of rows."""

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from frameweave.data.record import Skipped
from frameweave.data.sources.folder import files_below
from frameweave.data.sources.usable import usual_split
from frameweave.data.text import decoded
from frameweave.errors import DataError
from frameweave.video.reading import VIDEOS

ANNOTATIONS = (
    "train_val_videodatainfo.json",
    "test_videodatainfo.json",
    "videodatainfo_2017.json",
    "MSRVTT_data.json",
    "MSR_VTT.json",
)
_TOLD = ("split", "category", "url")
_FORMS = (("videos", "sentences"), ("images", "annotations"))
_LISTS = re.compile(r"(msr.?vtt.*|(cap|ret)_(train|val|test).*)\.json", re.IGNORECASE)
"""Names of files that are lists of rows, such as msrvtt_train_9k.json and cap_test.json."""
_NAMED = ("video_id", "video", "vid", "image_id", "id")
_SAID = ("caption", "captions", "sentence", "desc", "text")


@dataclass(frozen=True)
class Annotations:
    """What all files together tell, by the name of the video."""

    videos: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])
    """split, category and url, where they are told."""
    captions: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list[str]))
    skipped: list[Skipped] = field(default_factory=list[Skipped])
    divided: bool = False
    """Whether the names of lists of rows divide the videos into splits."""


def annotations_below(folder: Path) -> list[Path]:
    """MSR-VTT's annotation files at any depth of a folder, the nearest first; lists of rows where there are
    none of its own.
    """
    files = [path for path in files_below(folder) if path.suffix.lower() == ".json" and path.is_file()]
    own = [path for path in files if path.name in ANNOTATIONS]
    if own:
        return sorted(own, key=lambda path: (*_place(path), ANNOTATIONS.index(path.name)))
    lists = [path for path in files if _LISTS.fullmatch(path.name) and not _is_beside_a_video(path)]
    return sorted((path for path in lists if _is_list(path)), key=lambda path: (*_place(path), path.name))


def _place(path: Path) -> tuple[int, tuple[str, ...]]:
    return len(path.parts), path.parent.parts


def _is_beside_a_video(file: Path) -> bool:
    return any(file.with_suffix(suffix).is_file() for suffix in VIDEOS)


def _is_list(file: Path) -> bool:
    """Whether a file is a list of rows that name a video and have captions."""
    try:
        table = _json(file)
    except DataError:
        return False
    first = table[0] if isinstance(table, list) and table else None
    return bool(_name(first, *_NAMED)) and any(True for _ in _captions(first))


def read_annotations(files: list[Path]) -> Annotations:
    """Join several files; where they tell of the same video, the later ones add to it.

    Raises `DataError`, with line and column where it can, for a file that is cut or of another form.
    """
    # as lists of rows tell them, and as MSR-VTT's own files do, which may divide otherwise
    splits: dict[tuple[bool, str], str] = {}
    found = Annotations(divided=any(_split_of(file) for file in files if file.name not in ANNOTATIONS))
    for file in files:
        read = _read(file)
        for name in read.twice:
            found.skipped.append(Skipped(id=name, reason="duplicate", detail=f"twice in {file}"))
        for name, told in read.videos.items():
            found.videos.setdefault(name, {}).update(told)
            if not told.get("split"):
                continue
            split, told_by = usual_split(told["split"]), (file.name in ANNOTATIONS, name)
            if splits.setdefault(told_by, split) != split:
                raise DataError(
                    f"{file}: {name} is in the split {split}, and in {splits[told_by]} before",
                    hint="keep the files of one division of the videos, such as train_7k and test_1k",
                )
        for name, caption in read.sentences:
            found.captions[name].append(caption)
    return found


def _split_of(file: Path) -> str:
    """The split that a list of rows is called by; empty where it names none, or several.

    >>> [_split_of(Path(f"msrvtt_{name}.json")) for name in ("train_9k", "test_1k", "train_val")]
    ['train', 'test', '']
    """
    named = [split for split in ("train", "val", "test") if split in file.stem.lower()]
    return named[0] if len(named) == 1 else ""


def _plain(value: Any) -> str:
    """Copies have numbers and nothing where others have texts."""
    return str(value) if isinstance(value, str | int) else ""


def _name(entry: Any, *keys: str) -> str:
    """Which video an entry is about; empty for what is none. Numbers are MSR-VTT's own."""
    given = (
        next((entry[key] for key in keys if entry.get(key) is not None), "")
        if isinstance(entry, dict)
        else ""
    )
    if isinstance(given, int) and not isinstance(given, bool) and 0 <= given < 10**9:
        return f"video{given}"
    path = PurePosixPath(given) if isinstance(given, str) else PurePosixPath()
    return path.stem if path.suffix.lower() in VIDEOS else given if isinstance(given, str) else ""


def _captions(row: Any) -> Iterator[str]:
    said = next((row[key] for key in _SAID if row.get(key)), ()) if isinstance(row, dict) else ()
    yield from (text for text in (said if isinstance(said, list) else [said]) if isinstance(text, str))


def _json(file: Path) -> Any:
    try:
        return json.loads(decoded(file.read_bytes()))
    except json.JSONDecodeError as error:
        raise DataError(
            f"{file}, line {error.lineno}, column {error.colno}: {error.msg}", hint="copy the file again"
        ) from error
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{file}: cannot be read ({error})", hint="copy the file again") from error


@dataclass(frozen=True)
class _File:
    """What one file tells."""

    videos: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])
    sentences: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    """Names of videos with a caption each."""
    twice: list[str] = field(default_factory=list[str])
    """Names of videos that it tells of more than once."""


def _read(file: Path) -> _File:
    table = _json(file)
    if isinstance(table, list):
        return _of_rows(file, table)
    if isinstance(table, dict):
        for videos, sentences in _FORMS:
            if isinstance(table.get(videos), list) and isinstance(table.get(sentences), list):
                return _of_lists(table[videos], table[sentences])
    found = ", ".join(sorted(map(str, table))[:8]) if isinstance(table, dict) else type(table).__name__
    raise DataError(
        f"{file}: found {found[:200] or 'nothing'}, expected videos and sentences, or a list of rows",
        hint="give MSR-VTT's own annotation file, or rows with video_id and caption",
    )


def _of_lists(videos: list[Any], sentences: list[Any]) -> _File:
    """The official form has a list of the videos and one of the sentences."""
    read = _File()
    for video in videos:
        name = _name(video, "video_id", "id")
        if name in read.videos:
            read.twice.append(name)
        elif name:
            read.videos[name] = {key: _plain(video[key]) for key in _TOLD if key in video}
    for sentence in sentences:
        name = _name(sentence, "video_id", "image_id")
        if name and isinstance(sentence.get("caption"), str):
            read.sentences.append((name, sentence["caption"]))
    return read


def _of_rows(file: Path, rows: list[Any]) -> _File:
    """Rows have a video and one or several of its captions; each video may have several rows."""
    read = _File()
    for number, row in enumerate(rows, 1):
        name = _name(row, *_NAMED)
        if not name:
            raise DataError(
                f"{file}: row {number} names no video", hint=f"give each {' or '.join(_NAMED[:2])}"
            )
        told = {key: _plain(row[key]) for key in _TOLD if row.get(key) is not None}
        read.videos.setdefault(name, {"split": _split_of(file)} | told)
        read.sentences.extend((name, text) for text in _captions(row))
    return read
