"""Settings of every job that measures."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class MeasuringOptions:
    """Which networks stand behind the metrics."""

    backbones: Literal["auto", "miniature", "real"] = "auto"
    """The Miniature's networks, or published ones; auto: the Miniature's for its own edits only."""
    weights: Path | None = None
    """Folder with published weights of AlexNet, LPIPS and Inception; default: weights in the cache folder."""
    clip_model: str = "openai/clip-vit-base-patch32"
    """CLIP model of the published scores: a folder or a hub id."""
