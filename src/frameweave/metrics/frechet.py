"""Fréchet and kernel distances between sets of feature vectors, exact for few samples."""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from frameweave.metrics.base import Case, Looked, Need
from frameweave.metrics.encoders import Encoder


def frechet_distance(x: Float[Tensor, "N D"], y: Float[Tensor, "M D"]) -> float:
    """|mean difference|^2 + Tr(C_x + C_y - 2 (C_x C_y)^(1/2)), with sample covariances (Heusel et al. 2017).

    With A and B the centred sets over sqrt(N-1) and sqrt(M-1), the last trace is the nuclear norm of
    A B^T: no matrix root, exact also where samples are fewer than dimensions. NaN for a single sample.
    The value has a positive bias of about 1/N: see `kernel_distance` for one without.
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


def kernel_distance(x: Float[Tensor, "N D"], y: Float[Tensor, "M D"]) -> float:
    """Squared MMD with the kernel (x.y / D + 1)^3, without bias (Binkowski et al. 2018, "KID").

    May be negative where the sets are alike. NaN for a single sample.
    """
    n, m = len(x), len(y)
    if n < 2 or m < 2:
        return float("nan")
    x, y = x.double(), y.double()

    def kernel(a: Tensor, b: Tensor) -> Tensor:
        return (a @ b.T / a.shape[1] + 1) ** 3

    k_x, k_y = kernel(x, x), kernel(y, y)
    own_x = (k_x.sum() - k_x.diagonal().sum()) / (n * (n - 1))
    own_y = (k_y.sum() - k_y.diagonal().sum()) / (m * (m - 1))
    return float(own_x + own_y - 2 * kernel(x, y).mean())


def jackknifed(
    distance: "Distance",
    clips: list[tuple[Float[Tensor, "F D"], Float[Tensor, "F D"]]],
    against: list[Float[Tensor, "F D"]] | None = None,
) -> tuple[float, tuple[float, float] | None]:
    """A distance over clips of (edited, reference) features, and its 95 % interval.

    With `against`, another arm's features of the same clips, the difference of both arms' distances. The
    interval leaves out one clip at a time, because frames of a clip are near-copies and because
    resampling with repetition inflates such distances. None for fewer than 3 clips.
    """

    def value(kept: list[int]) -> float:
        reference = torch.cat([clips[k][1] for k in kept])
        first = distance(torch.cat([clips[k][0] for k in kept]), reference)
        if against is None:
            return first
        return first - distance(torch.cat([against[k] for k in kept]), reference)

    count = len(clips)
    whole = value(list(range(count)))
    if count < 3:
        return whole, None
    left_out = torch.tensor([value([k for k in range(count) if k != out]) for out in range(count)])
    spread = float(((count - 1) / count * (left_out - left_out.mean()).square().sum()).sqrt())
    return whole, (whole - 1.96 * spread, whole + 1.96 * spread)


@dataclass(frozen=True)
class Distance:
    """The Fréchet or the kernel distance, the latter times 1000 as it is usually printed."""

    kind: Literal["fid", "kid"]

    def __call__(self, x: Float[Tensor, "N D"], y: Float[Tensor, "M D"]) -> float:
        return frechet_distance(x, y) if self.kind == "fid" else 1000 * kernel_distance(x, y)


@dataclass(frozen=True, eq=False)
class FidOfClip:
    """The published tables' "FID": one clip's edited frames against all of its source's."""

    encoder: Encoder

    @property
    def name(self) -> str:
        return "fid_clip_frames"

    @property
    def title(self) -> str:
        return f"FID within a clip [{self.encoder.id}]"

    @property
    def better(self) -> Literal["lower", "higher", "none"]:
        return "none"

    @property
    def digits(self) -> int:
        return 2

    @property
    def definition(self) -> str:
        return (
            "Fréchet distance of one clip's edited frames from its source's, as in the published tables: "
            "mostly the bias of few frames, and a strong edit must raise it."
        )

    @property
    def backbone(self) -> str | None:
        return self.encoder.id

    @property
    def needs(self) -> frozenset[Need]:
        return frozenset({"source", "neighbours"})

    def measure(self, case: Case) -> float:
        assert case.source is not None
        return frechet_distance(
            features_of(case.edited, self.encoder), features_of(case.source, self.encoder)
        )


def features_of(clip: Looked, encoder: Encoder) -> Float[Tensor, "F D"]:
    """One vector a frame; computed once."""
    return clip.once(("features", encoder.id), encoder.features)
