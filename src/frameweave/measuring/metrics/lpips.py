"""LPIPS (Zhang et al. 2018): differences of unit-length channel vectors at the stages of a trunk.

The published tables' "LPIPS" is taken between neighbouring frames of the edited clip: a measure of
smoothness in time, not of distance to the source. Both have names of their own here.
"""

from collections.abc import Iterator
from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from frameweave.measuring.metrics.base import Case, Looked, Metric
from frameweave.measuring.metrics.encoders import Trunk
from frameweave.measuring.metrics.registry import Networks

_EPSILON = 1e-10  # as in the published program: a zero vector stays zero

Against = Literal["neighbours", "source", "truth"]


def unit(stage: Float[Tensor, "F C h w"]) -> Float[Tensor, "F C h w"]:
    """Channel vectors of length 1."""
    return stage / (stage.square().sum(1, keepdim=True).sqrt() + _EPSILON)


def lpips(
    a: list[Float[Tensor, "F _ _ _"]],
    b: list[Float[Tensor, "F _ _ _"]],
    weights: list[Float[Tensor, " _"]] | None = None,
) -> Float[Tensor, " F"]:
    """Distance of each frame from the other clip's, from the unit-length stages of both (see `unit`).

    Weighted sum of squared differences over the channels, mean over the pixels, sum over the stages.
    """
    total = torch.zeros(len(a[0]), device=a[0].device)
    for number, (x, y) in enumerate(zip(a, b, strict=True)):
        squares = (x - y).square()
        if weights is not None:
            squares = squares * weights[number].to(squares).view(1, -1, 1, 1)
        total = total + squares.sum(1).mean((1, 2)).float()
    return total


def lpips_metric(trunk: Trunk, against: Against) -> Metric:
    """LPIPS of an edited clip against its own next frames, the source, or the true edit."""

    def stages(clip: Looked) -> list[Float[Tensor, "F _ _ _"]]:
        return clip.once(("lpips", trunk.id), lambda frames: [unit(stage) for stage in trunk.stages(frames)])

    def measure(case: Case) -> float:
        a = stages(case.edited)
        if against == "neighbours":
            a, b = [stage[:-1] for stage in a], [stage[1:] for stage in a]
        else:
            other = case.source if against == "source" else case.truth
            assert other is not None
            b = stages(other)
        return float(lpips(a, b, trunk.weights).mean())

    place, name, words, what = {
        "neighbours": (
            20,
            "lpips_consecutive",
            "consecutive",
            "neighbouring frames of the edited clip, which the published tables call LPIPS",
        ),
        "source": (160, "lpips_source", "to source", "the edited and the source frame"),
        "truth": (50, "lpips_truth", "to true edit", "the edited frame and that of the true edit"),
    }[against]
    return Metric(
        name=name,
        title=f"LPIPS {words} [{trunk.id}]",
        better="none" if against == "source" else "lower",
        digits=4,
        definition=f"Mean LPIPS between {what}.",
        needs=frozenset({against}),
        measure=measure,
        backbone=trunk.id,
        place=place,
        headline=against != "source",
        published=against == "neighbours",
    )


def metrics(networks: Networks) -> Iterator[Metric]:
    """Against each of the three."""
    return (lpips_metric(networks.trunk, against) for against in get_args(Against))
