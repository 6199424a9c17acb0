"""What `evaluate` measures: edited videos with what belongs to each, found and read."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from frameweave.editing.given.mask import Mask, check_shape
from frameweave.editing.previews import VIDEO as PREVIEW
from frameweave.editing.table import read_edits, refuse_doubles
from frameweave.errors import DataError, InputError
from frameweave.measuring.keys import key_of
from frameweave.measuring.metrics.base import Case, Looked
from frameweave.measuring.options import EvaluateOptions
from frameweave.models.text.syntax import spoken
from frameweave.progress import Progress
from frameweave.runs.identity import Input, contents
from frameweave.runs.records import Record
from frameweave.runs.text import printable
from frameweave.video import read_frames
from frameweave.video.clip import Clip, resized_frames
from frameweave.video.in_step import read_in_step
from frameweave.video.reading import VIDEOS
from frameweave.video.sequences import PICTURES, name_of_clip

_DEPTH_FOLDER = ".depth"
"""How the name of a folder ends that holds a clip's depth, beside it in a folder of data."""
_BESIDE = ("source", "truth", "mask")


class _Line(Record):
    """What a line of a table may say; for the rest the options hold."""

    edited: str
    name: str = ""
    source: str = ""
    prompt: str = ""
    source_prompt: str = ""
    truth: str = ""
    mask: str = ""


@dataclass(frozen=True, kw_only=True)
class Item:
    """An edited video, and what belongs to it or is a folder that holds it."""

    name: str
    edited: Path
    source: Path | None = None
    truth: Path | None = None
    mask: Path | None = None
    prompt: str = ""
    source_prompt: str = ""
    names: frozenset[str] = frozenset()
    """Of all edited videos, without suffixes: in a folder, what has such a name belongs to that video."""


def items_of(edited: Path, options: EvaluateOptions) -> Iterator[Item]:
    """What there is to measure: the lines of a table, the videos of a folder, or one video.

    Raises `DataError` for a table that cannot be read, `InputError` when there is no such file.
    """
    if edited.suffix.lower() in (".csv", ".jsonl"):
        lines = list(read_edits(edited, _Line))
        refuse_doubles(edited, (line.name for line in lines if line.name))
        names = frozenset(name_of_clip(edited.parent / line.edited) for line in lines)
        for number, line in enumerate(lines):
            yield Item(
                name=line.name or f"{number:03d} {line.edited}",
                names=names,
                edited=edited.parent / line.edited,
                source=edited.parent / line.source if line.source else options.source,
                truth=edited.parent / line.truth if line.truth else options.truth,
                mask=edited.parent / line.mask if line.mask else options.mask,
                prompt=line.prompt or options.prompt,
                source_prompt=line.source_prompt or options.source_prompt,
            )
        return
    if not edited.exists():
        raise InputError(f"{edited}: no such file or folder", hint="check the path of the edited video")
    videos = _videos_in(edited) or [edited]
    names = frozenset(map(name_of_clip, videos))
    for video in videos:
        yield Item(
            name=printable(video.name),
            edited=video,
            names=names,
            source=options.source,
            truth=options.truth,
            mask=options.mask,
            prompt=options.prompt,
            source_prompt=options.source_prompt,
        )


def inputs_of(edited: Path, items: Sequence[Item], options: EvaluateOptions) -> dict[str, Input]:
    """What is read, by content: the edited videos with all that their lines name, and what all share."""
    files = {path for item in items for path in (item.edited, item.source, item.truth, item.mask) if path}
    found = key_of([[str(path), contents(path)] for path in sorted(files)])
    beside = {name: getattr(options, name) for name in _BESIDE}
    shared = {name: Input.of(name, path) for name, path in beside.items() if path is not None}
    return {"edited": Input("edited", edited, found), **shared}


def _videos_in(folder: Path) -> list[Path]:
    """None for a file, and for a folder of pictures, which is a video itself.

    Pictures beside videos are no frames, and what a run shows while it works is no result.
    """
    if not folder.is_dir():
        return []
    there = [path for path in folder.iterdir() if path.name != PREVIEW and not path.name.startswith(".")]
    files = any(path.suffix.lower() in VIDEOS and path.is_file() for path in there)
    if not files and any(path.suffix.lower() in PICTURES for path in there):
        return []
    return sorted(path for path in there if path.suffix.lower() in VIDEOS or _is_frames(path))


def _is_frames(path: Path) -> bool:
    """Whether it may be a folder of a video's pictures."""
    return path.is_dir() and path.suffix != _DEPTH_FOLDER


def _beside(item: Item, other: Path) -> Path:
    """What belongs to an edited video: the one for all, or what has its name in a folder of several."""
    if not other.is_dir():
        return other
    shown = [
        path
        for path in sorted(other.iterdir())
        if not path.name.startswith(".") and (path.suffix.lower() in (*VIDEOS, *PICTURES) or _is_frames(path))
    ]
    name = name_of_clip(item.edited)
    named = [path for path in shown if name_of_clip(path) == name]
    for alike in (
        [path for path in named if path.name == item.edited.name],
        [path for path in named if path.suffix.lower() in VIDEOS],
        named,
    ):
        if len(alike) > 1:
            names = " and ".join(path.name for path in alike)
            raise DataError(
                f"{other}: {names} may both belong to {item.edited.name}", hint="leave one of them there"
            )
        if alike:
            return alike[0]
    if _videos_in(other) or any(name_of_clip(path) in item.names for path in shown):
        raise DataError(f"{other}: nothing called {name} in it", hint="give both the same names")
    return other  # a folder of pictures


def clip_of(item: Item) -> str:
    """What its source is: edits of one source are one clip."""
    assert item.source is not None
    return str(_beside(item, item.source).resolve())


def case_of(item: Item, frames: int | None, progress: Progress) -> Case:
    """The clips, brought to the size of the edited one by one and the same function."""
    edited = Clip.read(item.edited, frames=frames, note=_named(item.edited, progress))

    def beside(path: Path | None) -> Looked | None:
        return None if path is None else _fitted(_beside(item, path), edited, item, frames, progress)

    return Case(
        edited=Looked(edited.frames),
        source=beside(item.source),
        truth=beside(item.truth),
        prompt=spoken(item.prompt),  # weights are no words
        source_prompt=spoken(item.source_prompt),
        mask=None if item.mask is None else _mask(_beside(item, item.mask), edited, first=frames is not None),
    )


def _named(path: Path, progress: Progress) -> Callable[[str], None]:
    """Tells notes with the name of their file, each once."""
    told = set[str]()

    def note(text: str) -> None:
        if text not in told:
            told.add(text)
            progress.note(f"{path}: {text}")

    return note


def _fitted(path: Path, edited: Clip, item: Item, frames: int | None, progress: Progress) -> Looked:
    """Another clip in step with the edited one and at its size."""
    other = read_in_step(path, edited, item.edited, frames=frames, note=_named(path, progress))
    if len(other) != len(edited):
        raise InputError(
            f"{path}: {len(other)} frames, {item.edited} has {len(edited)}",
            hint=f"give --frames {min(len(other), len(edited))} if the first ones belong together",
        )
    if other.size != edited.size:
        width, height = other.size
        progress.note(f"{path}: {width} x {height} pixels, scaled to {edited.size[0]} x {edited.size[1]}")
    return Looked(resized_frames(other.frames, edited.size))


def _mask(path: Path, edited: Clip, *, first: bool) -> Tensor:
    """White is where the edit may change pixels, read as `edit` reads it; a picture holds for all frames.

    Where only the `first` frames are measured, a longer mask's are taken.
    """
    mask, count = Mask(path, edited.size), 0
    for picture in read_frames(path):
        check_shape(mask.path, picture.pixels, mask.size, what="a mask")
        count += 1
    if count not in (1, len(edited)) and not (first and count > len(edited)):
        raise InputError(
            f"{path}: a mask of {count} frames, expected {len(edited)}, as many as the video has",
            hint="give a mask of as many frames, or one picture for all",
        )
    weights = np.stack(list(islice(mask.weights(), len(edited))))
    return (torch.from_numpy(weights).permute(0, 3, 1, 2) > 0.5).float()
