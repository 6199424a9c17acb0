"""Settings of `frameweave miniature`."""

from pathlib import Path

from frameweave.runs.settings import Count, Settings


class PartOptions(Settings):
    """Settings of `frameweave miniature train`."""

    folder: Path = Path("runs/miniature")
    """The folder of the checkpoints."""
    steps: Count | None = None
    """Optimiser steps; default: the recipe's."""
    threads: Count | None = None
    """CPU threads; default: all cores."""


class ScoreOptions(Settings):
    """Settings of `frameweave miniature score`."""

    samples: Count = 512
    """Number of pictures to sample."""
    out: Path | None = None
    """A folder for sheets of samples and edits; default: none are written."""
