"""What is measured: the metrics on one set of networks, and the distances over all clips at once."""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from frameweave.measuring.metrics.backbones.alexnet import alexnet_trunk
from frameweave.measuring.metrics.backbones.clip import hub_clip
from frameweave.measuring.metrics.backbones.inception import inception
from frameweave.measuring.metrics.base import Metric
from frameweave.measuring.metrics.encoders import Encoder, TextImage
from frameweave.measuring.metrics.frechet import Distance, printed
from frameweave.measuring.metrics.miniature_encoders import judge_trunk, miniature_clip
from frameweave.measuring.metrics.registry import Networks, metrics_on
from frameweave.measuring.options import MeasuringOptions
from frameweave.measuring.records import MetricInfo
from frameweave.models.loading import MINIATURE
from frameweave.runs.atomic import staged
from frameweave.runs.cache_folder import cache_folder

DISTANCES = (Distance("fid"), Distance("kid"))
"""Those over all clips."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Measures:
    """A set of metrics on one set of networks."""

    each: tuple[Metric, ...]
    """Of every edited clip."""
    encoder: Encoder
    """Of the distances that are taken over all clips at once."""
    clip: TextImage
    """What reads the prompts."""

    def described(self) -> list[MetricInfo]:
        """What the tables say about each metric, in their order."""
        pooled = [self._pooled(one.kind, against) for one in DISTANCES for against in ("source", "truth")]
        return [metric.info for metric in self.each] + pooled

    def _pooled(self, kind: Literal["fid", "kid"], against: str) -> MetricInfo:
        """What the tables say about a distance over all clips."""
        name = {"fid": "Fréchet", "kid": "1000 x kernel"}[kind]
        apart = " Frames of one clip are not compared with each other." if kind == "kid" else ""
        title, others = {
            "source": ("sources", "the source frames"),
            "truth": ("true edits", "the true edits' frames"),
        }[against]
        return MetricInfo(
            name=f"{kind}_{against}",
            title=f"{printed(kind, self.encoder)} to {title} [{self.encoder.id}]",
            better="lower" if against == "truth" else "none",
            digits=2,
            family="other",
            published=False,
            backbone=self.encoder.id,
            definition=f"{name} distance of all clips' edited frames (of several seeds the first) "
            f"from {others}.{apart}",
        )


def write_metrics(folder: Path, measures: Measures) -> None:
    """Write metrics.json."""
    with staged(folder / "metrics.json") as stage:
        tables = [info.model_dump() for info in measures.described()]
        stage.write_text(json.dumps(tables, indent=1), encoding="utf-8")


@dataclass(frozen=True, kw_only=True)
class Backbones:
    """Which networks stand behind the metrics; their names stand in every title."""

    kind: Literal["miniature", "real"]
    """The Miniature's own, or AlexNet, Inception and a CLIP model with published weights."""
    weights: Path = Path()
    """The folder with the published weights."""
    clip: str = ""
    """The CLIP model: a folder or a hub id."""
    world: bool = False
    """Whether clips show the Miniature's world, of which more can be asked."""

    @classmethod
    def asked(cls, options: MeasuringOptions, *, model: str = "", world: bool = False) -> "Backbones":
        """As the options say; "auto" is the Miniature's networks for its own edits, real ones for others."""
        kind = options.backbones
        if kind == "auto":
            kind = "miniature" if model == MINIATURE else "real"
        if kind == "miniature":
            return cls(kind=kind, world=world)
        clip = Path(options.clip_model)
        return cls(
            kind=kind,
            weights=(options.weights or cache_folder() / "weights").absolute(),
            clip=str(clip.absolute()) if clip.is_dir() else options.clip_model,
            world=world,
        )

    def measures(self) -> Measures:
        """The metrics on those networks, which are loaded once.

        Raises `ModelFolderError` when weights are missing: other networks are never taken instead.
        """
        return _measures(self)


@cache
def _measures(backbones: Backbones) -> Measures:
    judge = judge_trunk() if backbones.world or backbones.kind == "miniature" else None
    seen = judge if backbones.world else None
    if backbones.kind == "miniature":
        assert judge is not None
        networks = Networks(trunk=judge, clip=miniature_clip(), encoder=judge, judge=seen)
    else:
        trunk, encoder = alexnet_trunk(backbones.weights), inception(backbones.weights)
        networks = Networks(trunk=trunk, clip=hub_clip(backbones.clip), encoder=encoder, judge=seen)
    return Measures(each=metrics_on(networks), encoder=networks.encoder, clip=networks.clip)
