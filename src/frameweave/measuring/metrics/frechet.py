"""Fréchet and kernel distances between sets of feature vectors, exact for few samples."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from scipy import stats
from torch import Tensor

from frameweave.measuring.metrics.base import Case, Looked, Metric
from frameweave.measuring.metrics.encoders import Encoder
from frameweave.measuring.metrics.registry import Networks


def frechet_distance(x: Float[Tensor, "N D"], y: Float[Tensor, "M D"]) -> float:
    """|mean difference|^2 + Tr(C_x + C_y - 2 (C_x C_y)^(1/2)), with sample covariances (Heusel et al. 2017).

    With A and B the centred sets over sqrt(N-1) and sqrt(M-1), the last trace is the nuclear norm of
    A B^T: no matrix root, exact also where samples are fewer than dimensions. NaN for a single sample.
    The value has a positive bias of about 1/N: see `kernel_distance`.
    """
    if len(x) < 2 or len(y) < 2:
        return float("nan")
    x, y = x.double(), y.double()
    mean_x, mean_y = x.mean(0), y.mean(0)
    a, b = (x - mean_x) / (len(x) - 1) ** 0.5, (y - mean_y) / (len(y) - 1) ** 0.5
    if min(len(a), len(b)) > a.shape[1]:  # the D x D factors have the same product's singular values
        a, b = torch.linalg.qr(a).R, torch.linalg.qr(b).R
    cross = torch.linalg.matrix_norm(a @ b.T, "nuc")
    return max(0.0, float((mean_x - mean_y).square().sum() + a.square().sum() + b.square().sum() - 2 * cross))


def kernel_distance(
    x: Float[Tensor, "N D"],
    y: Float[Tensor, "M D"],
    clips: tuple[Int[Tensor, " N"], Int[Tensor, " M"]] | None = None,
) -> float:
    """Squared MMD with the kernel (x.y / D + 1)^3 (Binkowski et al. 2018, "KID").

    Without bias for independent samples. Frames of a clip are not: `clips` numbers the clip of each
    sample, and then samples of one clip are not compared with each other. May be negative where the
    sets are alike. NaN when there is nothing to compare.
    """

    def mean(a: Tensor, b: Tensor, counted: Tensor) -> Tensor:
        return _kernel(a, b)[counted].mean()

    if clips is None:
        own_x, own_y = (~torch.eye(len(one), dtype=torch.bool, device=one.device) for one in (x, y))
        both = torch.ones(len(x), len(y), dtype=torch.bool, device=x.device)
    else:
        of_x, of_y = clips
        own_x, own_y, both = (a[:, None] != b for a, b in ((of_x, of_x), (of_y, of_y), (of_x, of_y)))
    return float(mean(x, x, own_x) + mean(y, y, own_y) - 2 * mean(x, y, both))


def _kernel(a: Float[Tensor, "N D"], b: Float[Tensor, "M D"]) -> Float[Tensor, "N M"]:
    return (a.double() @ b.double().T / a.shape[1] + 1) ** 3


def _kernel_without(
    x: Sequence[Float[Tensor, "_ D"]], y: Sequence[Float[Tensor, "_ D"]]
) -> Float[Tensor, " clips"]:
    """The kernel's mean over pairs from different clips, without each clip: all from one matrix of sums."""
    of_x, of_y = (F.one_hot(_numbers(clips)).double() for clips in (x, y))
    sums = of_x.T @ _kernel(torch.cat(list(x)), torch.cat(list(y))) @ of_y
    pairs = of_x.sum(0)[:, None] * of_y.sum(0)

    def without(part: Tensor) -> Tensor:
        part.fill_diagonal_(0)
        return part.sum() - part.sum(0) - part.sum(1)

    return without(sums) / without(pairs)


_FEWEST = 3  # clips that say anything about how they scatter


@dataclass(frozen=True)
class Estimate:
    """A distance over clips, what it is without each of them, and so how certain it is (the jackknife).

    Clips are left out one at a time, because frames of a clip are near-copies and because resampling with
    repetition inflates such distances.
    """

    value: float
    left_out: Float[Tensor, " clips"]

    @classmethod
    def of(
        cls, distance: "Distance", clips: Sequence[tuple[Float[Tensor, "_ D"], Float[Tensor, "_ D"]]]
    ) -> "Estimate":
        """From each clip's (edited, reference) features."""
        edited, reference = [clip[0] for clip in clips], [clip[1] for clip in clips]
        left_out = distance.without_each(edited, reference) if len(clips) >= _FEWEST else torch.empty(0)
        return cls(distance(edited, reference), left_out)

    def __sub__(self, other: "Estimate") -> "Estimate":
        """How much greater it is than another arm's, of the same clips."""
        return Estimate(self.value - other.value, self.left_out - other.left_out)

    @property
    def interval(self) -> tuple[float, float] | None:
        """95 %; None for fewer than 3 clips."""
        count = len(self.left_out)
        if count < _FEWEST:
            return None
        spread = float(((count - 1) / count * (self.left_out - self.left_out.mean()).square().sum()).sqrt())
        half = float(stats.t.ppf(0.975, count - 1)) * spread
        return self.value - half, self.value + half


@dataclass(frozen=True)
class Distance:
    """The Fréchet or the kernel distance of two lists of clips, which are in the same order.

    The kernel distance is times 1000 as it is usually printed, and compares different clips only.
    """

    kind: Literal["fid", "kid"]

    def __call__(self, x: Sequence[Float[Tensor, "_ D"]], y: Sequence[Float[Tensor, "_ D"]]) -> float:
        if self.kind == "fid":
            return frechet_distance(torch.cat(list(x)), torch.cat(list(y)))
        return 1000 * kernel_distance(torch.cat(list(x)), torch.cat(list(y)), (_numbers(x), _numbers(y)))

    def without_each(
        self, x: Sequence[Float[Tensor, "_ D"]], y: Sequence[Float[Tensor, "_ D"]]
    ) -> Float[Tensor, " clips"]:
        """The distance of all clips but one, for each of them."""
        if self.kind == "fid":
            rest = [[k for k in range(len(x)) if k != out] for out in range(len(x))]
            values = [self([x[k] for k in kept], [y[k] for k in kept]) for kept in rest]
            return torch.tensor(values, dtype=torch.float64)
        return 1000 * (_kernel_without(x, x) + _kernel_without(y, y) - 2 * _kernel_without(x, y))


def _numbers(clips: Sequence[Float[Tensor, "_ D"]]) -> Int[Tensor, " N"]:
    """Of each sample's clip."""
    lengths = torch.tensor([len(clip) for clip in clips])
    return torch.arange(len(clips)).repeat_interleave(lengths).to(clips[0].device)


def few_samples(clips: Sequence[Float[Tensor, "_ D"]]) -> str:
    """A warning when clips have too few frames for a Fréchet distance, or nothing."""
    frames, width = sum(map(len, clips)), clips[0].shape[1]
    if frames >= 10 * width:
        return ""
    return f"{frames} frames of {len(clips)} clips for {width} dimensions: mostly the bias of few samples"


def fid_of_clip_metric(encoder: Encoder) -> Metric:
    """Nearest to the published tables' "FID": one clip's edited frames against as many of its source's."""

    def measure(case: Case) -> float:
        assert case.source is not None
        return frechet_distance(features_of(case.edited, encoder), features_of(case.source, encoder))

    return Metric(
        name="fid_clip_frames",
        title=f"{printed('fid', encoder)} within a clip [{encoder.id}]",
        better="none",
        digits=2,
        definition="Fréchet distance of one clip's edited frames from as many of its source's, about as in "
        "the published tables: mostly the bias of few frames, and a strong edit must raise it.",
        needs=frozenset({"source", "neighbours"}),
        measure=measure,
        backbone=encoder.id,
        place=170,
        published=True,
    )


def metrics(networks: Networks) -> Iterator[Metric]:
    """The published tables' one; those over all clips at once are no metrics of one clip."""
    yield fid_of_clip_metric(networks.encoder)


def printed(kind: Literal["fid", "kid"], encoder: Encoder) -> str:
    """FID and KID are the distances on Inception's features; on others the I is left out."""
    return kind.upper() if encoder.id.startswith("inception") else kind.upper().replace("I", "")


def features_of(clip: Looked, encoder: Encoder) -> Float[Tensor, "F D"]:
    """One vector a frame; computed once."""
    return clip.once(("features", encoder.id), encoder.features)
