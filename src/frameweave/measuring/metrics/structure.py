"""Structure distance (Tumanyan et al. 2022): how otherwise the parts of an edited frame resemble each other.

The keys of the last layer of a DINO vision transformer stand for the parts. Which of them are alike says
where things are, and hardly how they look.
"""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from frameweave.measuring.metrics.base import Case, Frames, Metric
from frameweave.measuring.metrics.encoders import Patches, id_of, lack_of
from frameweave.measuring.metrics.registry import Networks

MODEL = "facebook/dino-vitb8"
"""The usual one."""


def self_similarity(keys: Float[Tensor, "T D"]) -> Float[Tensor, "T T"]:
    """The cosine of each part with each other."""
    unit = F.normalize(keys.float(), dim=1)
    return unit @ unit.T


def structure_distance(model: Patches, edited: Frames, source: Frames) -> float:
    """Mean squared difference of the self-similarities of both clips' frames, mean over frames.

    Frame by frame: for large pictures the similarities of one frame are some megabytes.
    """
    distances = [
        (self_similarity(model.keys(a[None])[0]) - self_similarity(model.keys(b[None])[0])).square().mean()
        for a, b in zip(edited, source, strict=True)
    ]
    return float(torch.stack(distances).mean())


def structure_metric(model: Patches | None) -> Metric:
    """Of the edited clip and its source."""

    def measure(case: Case) -> float:
        assert model is not None and case.source is not None
        return structure_distance(model, case.edited.frames, case.source.frames)

    return Metric(
        name="dino_structure",
        title=f"Structure distance [{id_of(model)}]",
        better="lower",
        digits=4,
        definition="Mean squared difference between the self-similarities of the edited and the source "
        "frame's keys in the last layer of a DINO network.",
        needs=frozenset({"source"}),
        measure=measure,
        backbone=None if model is None else model.id,
        lacks=lack_of(model, "--dino-model", MODEL),
        place=165,
    )


def metrics(networks: Networks) -> Iterator[Metric]:
    """The one measure."""
    yield structure_metric(networks.dino)
