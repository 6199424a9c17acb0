"""Settings of `frameweave miniature world` and `frameweave miniature msrvtt`."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from frameweave.runs.settings import Count, FixedSeed, Settings


class WorldOptions(Settings):
    """Settings of `frameweave miniature world`."""

    out: Path = Path("runs/world")
    """The folder to write to."""
    clips: Count = 3
    """Number of clips."""
    frames: Count = 24
    """Number of frames of each clip."""
    seed: FixedSeed = 0
    """Random seed of the scenes; the same seed gives the same clips."""
    strangers: bool = False
    """Clips of objects, places and looks that the Miniature never saw."""
    split: Literal["train", "validation", "test"] = "train"
    """Which combinations of what clips show: train, those to train on; validation and test, others."""
    edits: bool = False
    """Write for each clip a true edit too, into true-edits/, and edits.csv, a table for `frameweave grid`."""


class MsrvttOptions(Settings):
    """Settings of `frameweave miniature msrvtt`."""

    out: Path = Path("runs/msrvtt")
    """The folder to write to."""
    clips: Count = 40
    """Number of clips."""
    frames: Annotated[int, Field(ge=2)] = 24
    """Number of frames of each clip."""
    seed: FixedSeed = 0
    """Random seed."""
    depth: bool = True
    """Whether the exact depth is written beside each clip."""
