"""Settings of `frameweave evaluate`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from frameweave.measuring.measuring_options import MeasuringOptions


@dataclass(frozen=True, kw_only=True)
class EvaluateOptions(MeasuringOptions):
    """What is known about the edited videos."""

    backbones: Literal["auto", "miniature", "real"] = "miniature"
    """The Miniature's networks, which know its world only, or published ones."""
    source: Path | None = None
    """What was edited: a video, or a folder with one of the same name for each."""
    truth: Path | None = None
    """What a perfect edit would give, where it is known; a video or a folder."""
    mask: Path | None = None
    """White where the edit may change pixels: a picture, a video, or a folder."""
    prompt: str = ""
    """What the edited videos should show."""
    source_prompt: str = ""
    """What the sources show."""
    frames: int | None = None
    """Take only so many frames from the start."""
    out: Path = Path("runs/evaluate")
    """The run folder."""
    overwrite: bool = False
    """Replace an earlier run in that folder."""
