"""Cells of an experiment on the disk: one edit of one pair by one editor in one arm with one seed.

A cell is a folder whose name is a digest of everything that the edit depends on. So experiments share
cells, and a stopped one goes on with those that are missing. It is there as a whole or not at all.
"""

import json
from pathlib import Path

from jaxtyping import Float
from PIL import Image
from pydantic import JsonValue
from torch import Tensor

from frameweave.errors import DataError
from frameweave.measuring.experiments.arms import Arm
from frameweave.measuring.records import Cost, EditLine
from frameweave.runs.atomic import MANIFEST, staged, verify
from frameweave.runs.records import Record, read_json
from frameweave.video.clip import Clip

VIDEO = "edited.mp4"
EDITING = 2
"""Raised when the same settings give other pictures, e.g. because an editor was mended."""
_ABOUT = "cell.json"
_FRAMES = "frames"  # PNG files: what is measured, without a codec's losses


class Cell(Record):
    """What is to be done for one cell."""

    pair: str
    editor: str
    settings: dict[str, JsonValue]
    arm: Arm
    effect: str
    """A digest of how the arm acts in this editor: arms of one effect edit alike."""
    seed: int
    key: str
    """The folder's name."""

    @property
    def edit(self) -> EditLine:
        """What every line about it begins with."""
        return EditLine(pair=self.pair, seed=self.seed, editor=self.editor, arm=self.arm.name)


def is_there(folder: Path) -> bool:
    """Whether there is a cell, undamaged or not: nothing in it is read."""
    return (folder / _ABOUT).is_file() and (folder / MANIFEST).is_file()


def is_whole(folder: Path) -> bool:
    """Whether there is a cell, and every file in it is as it was written."""
    return is_there(folder) and not verify(folder)


def write_cell(folder: Path, clip: Clip, cell: Cell, cost: Cost) -> None:
    """Store an edit: its frames as they are, a video to look at, and what is said about it."""
    with staged(folder, first_stays=True) as stage:
        frames = stage / _FRAMES
        frames.mkdir(parents=True)
        for number, picture in enumerate(clip.pixels()):
            Image.fromarray(picture).save(frames / f"{number:04d}.png")
        clip.write(stage / VIDEO)
        about = cell.model_dump(mode="json", exclude={"effect", "key"}) | cost.model_dump(mode="json")
        (stage / _ABOUT).write_text(json.dumps(about), encoding="utf-8")


def read_cost(folder: Path) -> Cost:
    """What the edit of a cell took. Raises `DataError` when it is damaged."""
    hint = "delete the folder and run again"
    cost = Cost.from_json(read_json(folder / _ABOUT, hint=hint), where=f"{folder}: ", hint=hint)
    return cost.model_copy(update={"frames": len(list((folder / _FRAMES).glob("*.png")))})


def read_frames(folder: Path) -> Float[Tensor, "F 3 H W"]:
    """The frames of a cell. Raises `DataError` when they cannot be read."""
    try:
        return Clip.read(folder / _FRAMES).frames
    except Exception as error:
        raise DataError(f"{folder}: no frames ({error})", hint="delete the folder and run again") from error
