"""MSR-VTT's annotation files: the official form, and the copy in COCO's form."""

import json
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from frameweave.data.record import Skipped
from frameweave.errors import DataError

ANNOTATIONS = (
    "train_val_videodatainfo.json",
    "test_videodatainfo.json",
    "videodatainfo_2017.json",
    "MSRVTT_data.json",
    "MSR_VTT.json",
)
_TOLD = ("split", "category", "url")
_FORMS = (("videos", "sentences"), ("images", "annotations"))


@dataclass(frozen=True)
class Annotations:
    """What all files together tell, by the name of the video."""

    videos: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])
    """split, category and url, where they are told."""
    captions: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list[str]))
    skipped: list[Skipped] = field(default_factory=list[Skipped])


def annotations_below(folder: Path) -> list[Path]:
    """MSR-VTT's annotation files in a folder or in those directly below it."""
    places = [folder, *sorted(path for path in folder.glob("*") if path.is_dir())]
    return [place / name for place in places for name in ANNOTATIONS if (place / name).is_file()]


def read_annotations(files: list[Path]) -> Annotations:
    """Join several files; where they tell of the same video, the later ones add to it.

    Raises `DataError`, with line and column where it can, for a file that is cut or of another form.
    """
    found = Annotations()
    for file in files:
        videos, sentences = _lists(file)
        here: set[str] = set()
        for video in videos:
            name = _name(video, "video_id", "id")
            if name in here:
                found.skipped.append(Skipped(id=name, reason="duplicate", detail=f"twice in {file}"))
            elif name:
                here.add(name)
                told = {key: _plain(video[key]) for key in _TOLD if key in video}
                found.videos.setdefault(name, {}).update(told)
        for sentence in sentences:
            name = _name(sentence, "video_id", "image_id")
            if name and isinstance(sentence.get("caption"), str):
                found.captions[name].append(sentence["caption"])
    return found


def _plain(value: Any) -> str:
    """Copies have numbers and nothing where others have texts."""
    return str(value) if isinstance(value, str | int) else ""


def _name(entry: Any, *keys: str) -> str:
    """Which video an entry is about; empty for what is none."""
    given = next((entry[key] for key in keys if entry.get(key)), "") if isinstance(entry, dict) else ""
    return given if isinstance(given, str) else ""


def _lists(file: Path) -> tuple[list[Any], list[Any]]:
    """The videos and the sentences of a file."""
    try:
        table: Any = json.loads(file.read_text(encoding="utf-8-sig", errors="replace"))
    except json.JSONDecodeError as error:
        raise DataError(
            f"{file}, line {error.lineno}, column {error.colno}: {error.msg}", hint="copy the file again"
        ) from error
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{file}: cannot be read ({error})", hint="copy the file again") from error
    if isinstance(table, dict):
        for videos, sentences in _FORMS:
            if isinstance(table.get(videos), list) and isinstance(table.get(sentences), list):
                return table[videos], table[sentences]
    found = ", ".join(sorted(map(str, table))[:8]) if isinstance(table, dict) else type(table).__name__
    raise DataError(
        f"{file}: found {found[:200] or 'nothing'}, expected videos and sentences",
        hint="give MSR-VTT's own annotation file",
    )
