"""Which metrics an experiment takes, and in which order its tables show them."""

from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Literal

from frameweave.measuring.experiments.cells import key_of
from frameweave.measuring.metrics.backbones.alexnet import alexnet_trunk
from frameweave.measuring.metrics.backbones.clip import hub_clip
from frameweave.measuring.metrics.backbones.inception import inception
from frameweave.measuring.metrics.base import Metric
from frameweave.measuring.metrics.clip_score import clip_metric
from frameweave.measuring.metrics.encoders import Encoder, TextImage, Trunk
from frameweave.measuring.metrics.fidelity import FRAME_DIFFERENCE, pixel_metric
from frameweave.measuring.metrics.flow import flow_share_metric, warp_error_metric
from frameweave.measuring.metrics.following import ALL, following_metric, log_chance_metric
from frameweave.measuring.metrics.frechet import Distance, fid_of_clip_metric, printed
from frameweave.measuring.metrics.lpips import lpips_metric
from frameweave.measuring.metrics.miniature_encoders import judge_trunk, miniature_clip
from frameweave.world.scene import ATTRIBUTES

HEADLINE = ("warp_error", "lpips_consecutive", "clip_score", "follows_all", "lpips_truth", "psnr_truth")
"""The metrics whose tests are corrected for their number; the others are for exploring."""
_FORMULAS = 2  # raised when a metric of the same definition gives other values
PUBLISHED = ("lpips_consecutive", "clip_score", "fid_clip_frames")
"""The ones whose definitions are nearest to those of the published tables; see docs/explanation/measuring.md."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Measures:
    """A set of metrics on one set of backbones."""

    each: tuple[Metric, ...]
    """Of every edited clip."""
    encoder: Encoder
    """Of the distances that are taken over all clips at once."""

    def described(self) -> list[dict[str, Any]]:
        """What the tables say about each metric, in their order."""
        rows = [
            {
                "name": metric.name,
                "title": metric.title,
                "better": metric.better,
                "digits": metric.digits,
                "family": "headline" if metric.name in HEADLINE else "other",
                "published": metric.name in PUBLISHED,
                "backbone": metric.backbone,
                "definition": metric.definition,
            }
            for metric in self.each
        ]
        return rows + [
            self._pooled(kind, against) for kind in self.distances for against in ("source", "truth")
        ]

    def _pooled(self, kind: Literal["fid", "kid"], against: str) -> dict[str, Any]:
        """What the tables say about a distance over all clips."""
        name = {"fid": "Fréchet", "kid": "1000 x kernel"}[kind]
        apart = " Frames of one clip are not compared with each other." if kind == "kid" else ""
        others = {"source": "the source frames", "truth": "the true edits' frames"}[against]
        return {
            "name": f"{kind}_{against}",
            "title": f"{printed(kind, self.encoder)} to {'sources' if against == 'source' else 'true edits'} "
            f"[{self.encoder.id}]",
            "better": "lower" if against == "truth" else "none",
            "digits": 2,
            "family": "other",
            "published": False,
            "backbone": self.encoder.id,
            "definition": f"{name} distance of all clips' edited frames (of several seeds the first) "
            f"from {others}.{apart}",
        }

    @cached_property
    def digest(self) -> str:
        """Tells these metrics from others."""
        return key_of(self.described(), _FORMULAS)

    @property
    def distances(self) -> dict[Literal["fid", "kid"], Distance]:
        """Those over all clips, by the first part of their names."""
        return {"fid": Distance("fid"), "kid": Distance("kid")}


@dataclass(frozen=True, kw_only=True)
class Backbones:
    """Which networks stand behind the metrics; their names stand in every title."""

    kind: Literal["miniature", "real"]
    """The Miniature's own, or AlexNet, Inception and a CLIP model with published weights."""
    weights: str = ""
    """The folder with the published weights."""
    clip: str = ""
    """The CLIP model: a folder or a hub id."""


@cache
def measures_on(backbones: Backbones, *, world: bool) -> Measures:
    """The metrics on those networks; with `world`, also those that only its clips have.

    Raises `ModelFolderError` when weights are missing: other networks are never taken instead.
    """
    if backbones.kind == "miniature":
        judge = judge_trunk()
        return Measures(each=standard(judge, miniature_clip(), judge, world=world), encoder=judge)
    folder = Path(backbones.weights)
    trunk, encoder = alexnet_trunk(folder), inception(folder)
    return Measures(each=standard(trunk, hub_clip(backbones.clip), encoder, world=world), encoder=encoder)


def standard(trunk: Trunk, clip: TextImage, encoder: Encoder, *, world: bool) -> tuple[Metric, ...]:
    """The metrics on any backbones; with the judge's and the true flow where clips show the world."""
    following: tuple[Metric, ...] = ()
    if world:
        judge = judge_trunk()
        asked = (following_metric(judge, name) for name in (ALL, *ATTRIBUTES))
        following = (*asked, log_chance_metric(judge))
    return (
        warp_error_metric(true_flow=world),
        lpips_metric(trunk, "neighbours"),
        clip_metric(clip, "score"),
        *following[:1],
        lpips_metric(trunk, "truth"),
        pixel_metric("psnr", "truth"),
        clip_metric(clip, "consistency"),
        *following[1:],
        flow_share_metric(true_flow=world),
        *([pixel_metric("psnr", "object")] if world else []),
        pixel_metric("ssim", "truth"),
        pixel_metric("psnr", "outside"),
        pixel_metric("ssim", "outside"),
        clip_metric(clip, "directional"),
        lpips_metric(trunk, "source"),
        fid_of_clip_metric(encoder),
        FRAME_DIFFERENCE,
    )
