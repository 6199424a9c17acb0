"""Cells of an experiment on the disk: one edit of one pair by one editor in one arm with one seed.

A cell is a folder whose name is a digest of everything that the edit depends on. So experiments share
cells, and a stopped one goes on with those that are missing. It is there as a whole or not at all.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

from jaxtyping import Float
from PIL import Image
from torch import Tensor

from frameweave.errors import DataError
from frameweave.runs.atomic import MANIFEST, staged
from frameweave.video.clip import Clip

VIDEO = "edited.mp4"
EDITING = 2
"""Raised when the same settings give other pictures, e.g. because an editor was mended."""
_FACTS = "cell.json"
_FRAMES = "frames"  # PNG files: what is measured, without a codec's losses


def key_of(*facts: Any) -> str:
    """A name for whatever depends on these facts, which JSON must hold.

    >>> key_of({"a": 1, "b": 2}) == key_of({"b": 2, "a": 1})
    True
    """
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]


def is_finished(folder: Path) -> bool:
    """Whether a cell is there as a whole."""
    return (folder / _FACTS).is_file() and (folder / MANIFEST).is_file()


def write_cell(folder: Path, clip: Clip, facts: dict[str, Any]) -> None:
    """Store an edit: its frames as they are, a video to look at, and what is said about it."""
    with staged(folder) as stage:
        frames = stage / _FRAMES
        frames.mkdir(parents=True)
        for number, picture in enumerate(clip.pixels()):
            Image.fromarray(picture).save(frames / f"{number:04d}.png")
        clip.write(stage / VIDEO)
        (stage / _FACTS).write_text(json.dumps(facts, indent=1), encoding="utf-8")


def read_facts(folder: Path) -> dict[str, Any]:
    """What a cell says about itself. Raises `DataError` when it is damaged."""
    try:
        return json.loads((folder / _FACTS).read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError) as error:
        raise DataError(f"{folder}: no cell ({error})", hint="delete the folder and run again") from error


def read_frames(folder: Path) -> Float[Tensor, "F 3 H W"]:
    """The frames of a cell. Raises `DataError` when they cannot be read."""
    try:
        return Clip.read(folder / _FRAMES).frames
    except Exception as error:
        raise DataError(f"{folder}: no frames ({error})", hint="delete the folder and run again") from error
