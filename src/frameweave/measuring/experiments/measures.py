"""What is measured: the metrics on one set of networks, and the distances over all clips at once."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Literal

from frameweave.measuring.metrics.backbones.alexnet import alexnet_trunk
from frameweave.measuring.metrics.backbones.clip import hub_clip
from frameweave.measuring.metrics.backbones.dino import hub_dino
from frameweave.measuring.metrics.backbones.inception import inception
from frameweave.measuring.metrics.base import Metric
from frameweave.measuring.metrics.encoders import Encoder, Seeing, TextImage
from frameweave.measuring.metrics.frechet import Distance, printed
from frameweave.measuring.metrics.miniature_encoders import judge_trunk, miniature_clip
from frameweave.measuring.metrics.pick_score import MODEL as PICK
from frameweave.measuring.metrics.registry import Networks, metrics_on
from frameweave.measuring.options import MeasuringOptions
from frameweave.measuring.records import MetricInfo
from frameweave.miniature.judge import JudgePartName
from frameweave.models.loading.choice import MINIATURE
from frameweave.progress import Progress
from frameweave.runs.atomic import write_text
from frameweave.runs.cache_folder import cache_folder

DISTANCES = (Distance("fid"), Distance("kid"))
"""Those over all clips."""
STAND_INS = "the Miniature's networks measure, which know its world only; for other videos: --backbones real"
"""What to say where they measure videos of any origin."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Measures:
    """A set of metrics on one set of networks."""

    each: tuple[Metric, ...]
    """Of every edited clip."""
    encoder: Encoder
    """Of the distances that are taken over all clips at once."""
    clip: TextImage
    """What reads the prompts."""
    lacking: tuple[Metric, ...] = ()
    """Metrics that are not measured since their network is not named."""

    def described(self) -> list[MetricInfo]:
        """What the tables say about each metric, in their order."""
        pooled = [self._pooled(one.kind, against) for one in DISTANCES for against in ("source", "truth")]
        return [metric.info for metric in self.each] + pooled

    def tell_unseen(self, texts: Iterable[tuple[str, str]], progress: Progress) -> None:
        """Say of texts, each with what it is, such as "prompt", what is not read of them."""
        for what, text in dict.fromkeys(texts):
            if rest := self.clip.unseen(text):
                progress.note(f"a {what} is too long for {self.clip.id}; not seen by it: {rest!r}")

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


def write_metrics(folder: Path, infos: Sequence[MetricInfo]) -> None:
    """Write metrics.json."""
    write_text(folder / "metrics.json", json.dumps([info.model_dump() for info in infos], indent=1))


@dataclass(frozen=True, kw_only=True)
class Backbones:
    """Which networks stand behind the metrics; their names stand in every title."""

    kind: Literal["miniature", "real"]
    """The Miniature's own, or AlexNet, Inception and a CLIP model with published weights."""
    weights: Path = Path()
    """The folder with the published weights."""
    clip: str = ""
    """The CLIP model: a folder or a hub id."""
    pick: str = ""
    """PickScore's model likewise; empty when it is not measured."""
    dino: str = ""
    """The structure distance's network likewise."""
    world: bool = False
    """Whether clips show the Miniature's world, of which more can be asked."""
    strangers: bool = False
    """Whether they show strangers: then the judge is the one that knows them."""

    @classmethod
    def asked(
        cls, options: MeasuringOptions, *, model: str = "", world: bool = False, strangers: bool = False
    ) -> "Backbones":
        """As the options say; "auto" is the Miniature's networks for its own edits, real ones for others."""
        kind = options.backbones
        if kind == "auto":
            kind = "miniature" if model == MINIATURE else "real"
        named = cls(
            kind=kind,
            pick=_named(options.pick_model),
            dino=_named(options.dino_model),
            world=world,
            strangers=strangers,
        )
        if kind == "miniature":
            return named
        weights = (options.weights or cache_folder() / "weights").absolute()
        return replace(named, weights=weights, clip=_named(options.clip_model))

    def measures(self) -> Measures:
        """The metrics on those networks, which are loaded once.

        Raises `ModelFolderError` when weights are missing: other networks are never taken instead.
        """
        return _measures(self)


def _named(name: str | None) -> str:
    """A folder wherever a worker starts, or a hub id."""
    return str(Path(name).absolute()) if name and Path(name).is_dir() else name or ""


@cache
def seeing(backbones: Backbones) -> Seeing:
    """The networks that benchmarks look through; those that are not named are none."""
    clip = miniature_clip() if backbones.kind == "miniature" else hub_clip(backbones.clip)
    pick = hub_clip(backbones.pick, "--pick-model", PICK) if backbones.pick else None
    dino = hub_dino(backbones.dino) if backbones.dino else None
    return Seeing(clip=clip, pick=pick, dino=dino)


@cache
def _measures(backbones: Backbones) -> Measures:
    part: JudgePartName = "stranger_judge" if backbones.strangers else "judge"
    judge = judge_trunk(part) if backbones.world or backbones.kind == "miniature" else None
    seen = judge if backbones.world else None
    if backbones.kind == "miniature":
        assert judge is not None
        trunk, encoder = judge, judge
    else:
        trunk, encoder = alexnet_trunk(backbones.weights), inception(backbones.weights)
    others = seeing(backbones)
    networks = Networks(
        trunk=trunk, clip=others.clip, encoder=encoder, judge=seen, pick=others.pick, dino=others.dino
    )
    every = metrics_on(networks)
    lacking = tuple(metric for metric in every if metric.lacks) if backbones.kind == "miniature" else ()
    each = tuple(metric for metric in every if metric not in lacking)
    return Measures(each=each, encoder=networks.encoder, clip=networks.clip, lacking=lacking)
