"""Which networks measure, from the options of a job."""

from pathlib import Path
from typing import Literal

from frameweave.measuring.experiments.measures import Backbones
from frameweave.measuring.measuring_options import MeasuringOptions
from frameweave.models.loading import MINIATURE
from frameweave.runs.cache_folder import cache_folder


def backbones_of(options: MeasuringOptions, model: str) -> Backbones:
    """As the options say; "auto" is the Miniature's networks for its own edits, real ones for others."""
    kind: Literal["miniature", "real"]
    if options.backbones == "auto":
        kind = "miniature" if model == MINIATURE else "real"
    else:
        kind = options.backbones
    if kind == "miniature":
        return Backbones(kind=kind)
    weights = options.weights or cache_folder() / "weights"
    return Backbones(kind=kind, weights=str(weights.absolute()), clip=_clip(options.clip_model))


def _clip(name: str) -> str:
    return str(Path(name).absolute()) if Path(name).is_dir() else name
