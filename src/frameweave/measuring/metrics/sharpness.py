"""Sharpness beside the flicker measures: whatever blurs a clip lowers its flicker for free."""

from collections.abc import Iterator
from typing import Literal, get_args

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from frameweave.measuring.metrics.base import Case, Frames, Metric
from frameweave.measuring.metrics.registry import Networks

Against = Literal["truth", "source"]
_LEAST = 3  # pixels of a side: the Laplacian looks at both neighbours


def detail(frames: Frames) -> Float[Tensor, ""]:
    """Mean absolute Laplacian: how much a pixel differs from its four neighbours. NaN below 3 x 3 pixels."""
    if min(frames.shape[2:]) < _LEAST:
        return frames.new_tensor(float("nan"))
    kernel = frames.new_tensor([[0, 1, 0], [1, -4, 1], [0, 1, 0]])[None, None]
    return F.conv2d(frames.flatten(0, 1)[:, None], kernel).abs().mean()


def sharpness_ratio(frames: Frames, other: Frames) -> float:
    """The detail of a clip over that of another; NaN where the other has none."""
    own, reference = float(detail(frames)), float(detail(other))
    return own / reference if reference else float("nan")


def sharpness_metric(against: Against) -> Metric:
    """The edited clip's detail over the true edit's or the source's."""

    def measure(case: Case) -> float:
        other = case.truth if against == "truth" else case.source
        assert other is not None
        return sharpness_ratio(case.edited.frames, other.frames)

    place, words, what = {
        "truth": (11, "true edit", "true edit's"),
        "source": (12, "source", "source's"),
    }[against]
    return Metric(
        name=f"sharpness_{against}",
        title=f"Sharpness over {words}",
        better="none",
        digits=3,
        definition=f"Mean absolute Laplacian of the edited clip over the {what}: 1 is as sharp, less is "
        "blurred, more is noisy.",
        needs=frozenset({against}),
        measure=measure,
        place=place,
        headline=True,
    )


def metrics(networks: Networks) -> Iterator[Metric]:
    """Against the true edit where it is known, and against the source."""
    return (sharpness_metric(against) for against in get_args(Against))
