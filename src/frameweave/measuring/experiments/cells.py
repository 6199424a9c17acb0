"""Cells of an experiment on the disk: one edit of one pair by one editor in one arm with one seed.

A cell is a folder whose name is a digest of everything that the edit depends on. So experiments share
cells, and a stopped one goes on with those that are missing. It is there as a whole or not at all.
"""

from pathlib import Path

from jaxtyping import Float
from PIL import Image
from pydantic import Field, JsonValue
from torch import Tensor

from frameweave.errors import DataError
from frameweave.measuring.experiments.arms import Arm
from frameweave.measuring.records import EditLine
from frameweave.runs.atomic import MANIFEST, staged
from frameweave.runs.records import Record, read_json
from frameweave.video.clip import Clip

VIDEO = "edited.mp4"
EDITING = 2
"""Raised when the same settings give other pictures, e.g. because an editor was mended."""
_FACTS = "cell.json"
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


class Facts(Record):
    """What a cell on the disk says about itself."""

    pair: str
    editor: str
    settings: dict[str, JsonValue] = Field(default_factory=dict[str, JsonValue])
    arm: Arm
    seed: int = 0
    seconds: float
    inversion_recalled: bool
    memory_gb: float


def is_finished(folder: Path) -> bool:
    """Whether a cell is there as a whole."""
    return (folder / _FACTS).is_file() and (folder / MANIFEST).is_file()


def write_cell(folder: Path, clip: Clip, facts: Facts) -> None:
    """Store an edit: its frames as they are, a video to look at, and what is said about it."""
    with staged(folder) as stage:
        frames = stage / _FRAMES
        frames.mkdir(parents=True)
        for number, picture in enumerate(clip.pixels()):
            Image.fromarray(picture).save(frames / f"{number:04d}.png")
        clip.write(stage / VIDEO)
        (stage / _FACTS).write_text(facts.as_json(), encoding="utf-8")


def read_facts(folder: Path) -> Facts:
    """What a cell says about itself. Raises `DataError` when it is damaged."""
    hint = "delete the folder and run again"
    return Facts.from_json(read_json(folder / _FACTS, hint=hint), where=f"{folder}: ", hint=hint)


def read_frames(folder: Path) -> Float[Tensor, "F 3 H W"]:
    """The frames of a cell. Raises `DataError` when they cannot be read."""
    try:
        return Clip.read(folder / _FRAMES).frames
    except Exception as error:
        raise DataError(f"{folder}: no frames ({error})", hint="delete the folder and run again") from error
