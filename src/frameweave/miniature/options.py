"""Settings of `frameweave miniature`."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from frameweave.runs.settings import Count, NotNegative, Settings


class PartOptions(Settings):
    """Settings of `frameweave miniature train`."""

    folder: Path = Path("runs/miniature")
    """Where checkpoints are kept."""
    steps: Count | None = None
    """Optimiser steps; default: the recipe's."""
    threads: Count | None = None
    """CPU threads; default: all cores."""


class ScoreOptions(Settings):
    """Settings of `frameweave miniature score`."""

    samples: Count = 512
    """Pictures to sample."""
    out: Path | None = None
    """A folder for grids of samples and edits; default: none are written."""


class WorldOptions(Settings):
    """Settings of `frameweave miniature world`."""

    out: Path = Path("runs/world")
    """The folder to write to."""
    clips: Count = 3
    """How many clips."""
    frames: Count = 24
    """Frames of each clip."""
    seed: NotNegative = 0
    """Seed of the scenes; the same seed gives the same clips."""


class MsrvttOptions(Settings):
    """Settings of `frameweave miniature msrvtt`."""

    out: Path = Path("runs/msrvtt")
    """The folder to write to."""
    clips: Count = 40
    """How many clips."""
    frames: Annotated[int, Field(ge=2)] = 24
    """Frames of each clip."""
    seed: NotNegative = 0
    """Seed of all random draws."""
    depth: bool = True
    """Whether the exact depth is written beside each clip."""
