"""Fréchet and kernel distances against closed forms, torchmetrics and each other."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import pytest
import torch
from torch import Tensor, nn
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.kid import KernelInceptionDistance

from frameweave.measuring.metrics.frechet import (
    Distance,
    Estimate,
    frechet_distance,
    kernel_distance,
    printed,
)


def drawn(n: int, width: int, *, shift: float = 0.0, scale: float = 1.0, seed: int = 0) -> Tensor:
    rng = torch.Generator().manual_seed(seed)
    return shift + scale * torch.randn(n, width, generator=rng, dtype=torch.float64)


class Flat(nn.Module):
    """What torchmetrics takes as a network: the pixels are the features."""

    num_features = 6

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1)


@pytest.mark.parametrize(("n", "m"), [(40, 50), (4, 5), (3, 100), (2, 2)])
def test_the_small_sample_route_is_exact(n: int, m: int) -> None:
    x, y = drawn(n, 6), drawn(m, 6, shift=0.5, scale=2, seed=1)
    c_x, c_y = torch.cov(x.T), torch.cov(y.T)
    roots = torch.linalg.eigvals(c_x @ c_y).real.clamp(min=0).sqrt().sum()
    expected = (x.mean(0) - y.mean(0)).square().sum() + c_x.trace() + c_y.trace() - 2 * roots
    assert frechet_distance(x, y) == pytest.approx(float(expected), rel=1e-6, abs=1e-6)


def test_known_gaussians() -> None:
    # points that have exactly the mean and covariance they are said to have
    square = torch.tensor([[1.0, 1], [1, -1], [-1, 1], [-1, -1]], dtype=torch.float64) * math.sqrt(3) / 2
    moved = 3 * square + torch.tensor([1.0, 2.0])
    assert frechet_distance(square, moved) == pytest.approx(5 + 2 * (3 - 1) ** 2)


@pytest.mark.filterwarnings("ignore:Metric `Kernel Inception Distance` will save:UserWarning")
def test_it_agrees_with_torchmetrics() -> None:
    x, y = drawn(60, 6).float(), drawn(50, 6, shift=0.3, seed=1).float()
    fid = FrechetInceptionDistance(feature=Flat(), normalize=True)
    fid.set_dtype(torch.float64)
    fid.update(x.view(-1, 1, 2, 3), real=True)
    fid.update(y.view(-1, 1, 2, 3), real=False)
    assert frechet_distance(x, y) == pytest.approx(float(fid.compute()), rel=1e-5)
    kid = KernelInceptionDistance(feature=Flat(), normalize=True, subsets=1, subset_size=50)
    kid.update(x[:50].view(-1, 1, 2, 3), real=True)
    kid.update(y.view(-1, 1, 2, 3), real=False)
    assert kernel_distance(x[:50], y) == pytest.approx(float(kid.compute()[0]), rel=1e-4)


def test_the_kernel_distance_has_no_bias() -> None:
    pairs = [(drawn(16, 8, seed=2 * k), drawn(16, 8, seed=2 * k + 1)) for k in range(200)]
    kernel = torch.tensor([kernel_distance(x, y) for x, y in pairs])
    frechet = torch.tensor([frechet_distance(x, y) for x, y in pairs])
    assert abs(float(kernel.mean())) < 3 * float(kernel.std()) / math.sqrt(200)
    assert float(frechet.mean()) > 10 * float(frechet.std()) / math.sqrt(200)


def near_copies(clips: int, frames: int, seed: int) -> list[Tensor]:
    return [drawn(1, 8, seed=seed + k) + drawn(frames, 8, scale=0.01, seed=seed - k) for k in range(clips)]


def test_frames_of_a_clip_are_near_copies_and_add_no_bias() -> None:
    """Two sets of clips from the same distribution: the mean over many such sets is zero."""
    sets = [(near_copies(8, 4, 10_000 * k + 100), near_copies(8, 4, 10_000 * k + 5000)) for k in range(200)]
    apart = torch.tensor([Distance("kid")(x, y) for x, y in sets])
    mixed = torch.tensor([1000 * kernel_distance(torch.cat(x), torch.cat(y)) for x, y in sets])
    assert abs(float(apart.mean())) < 3 * float(apart.std()) / math.sqrt(200)
    assert float(mixed.mean()) > 10 * float(mixed.std()) / math.sqrt(200)
    copies = near_copies(5, 3, 1)
    assert Distance("kid")(copies, copies) == 0


def test_one_frame_a_clip_is_the_usual_kernel_distance_without_its_own_clips() -> None:
    x, y = drawn(4, 3), drawn(4, 3, seed=1)

    def kernel(a: Tensor, b: Tensor) -> Tensor:
        return (a @ b / 3 + 1) ** 3

    pairs = [(i, j) for i in range(4) for j in range(4) if i != j]
    parts = [sum(float(kernel(a[i], b[j])) for i, j in pairs) / 12 for a, b in ((x, x), (y, y), (x, y))]
    expected = 1000 * (parts[0] + parts[1] - 2 * parts[2])
    assert Distance("kid")([*x.split(1)], [*y.split(1)]) == pytest.approx(expected)
    assert math.isnan(Distance("kid")([x], [y]))  # one clip has none to be compared with


@dataclass(frozen=True)
class Named:
    """An encoder of which only the name is asked."""

    id: str
    width: int = 1

    def features(self, frames: Tensor) -> Tensor:
        return frames.flatten(1)


@pytest.mark.parametrize(
    ("encoder", "said"), [("inception-2015-abc", ("FID", "KID")), ("miniature-judge-abc", ("FD", "KD"))]
)
def test_only_inceptions_distances_bear_the_published_names(encoder: str, said: tuple[str, str]) -> None:
    assert (printed("fid", Named(encoder)), printed("kid", Named(encoder))) == said


def test_few_and_constant_samples() -> None:
    one = drawn(1, 4)
    assert math.isnan(frechet_distance(one, drawn(5, 4)))
    assert math.isnan(kernel_distance(drawn(5, 4), one))
    constant = torch.ones(3, 4)
    assert frechet_distance(constant, constant) == 0
    assert frechet_distance(constant, constant + 2) == pytest.approx(16)


def test_the_jackknife_of_a_mean_is_its_standard_error() -> None:
    values = torch.tensor([0.0, 1.0, 2.0, 5.0])
    clips = [(value.view(1, 1), torch.zeros(1, 1)) for value in values]

    class Mean(Distance):
        def __call__(self, x: Sequence[Tensor], y: Sequence[Tensor]) -> float:
            return float(torch.cat(list(x)).mean() - torch.cat(list(y)).mean())

    found = Estimate.of(Mean("fid"), clips)
    half = 3.182446 * float(values.std()) / 2  # t for 3 degrees of freedom
    assert found.value == pytest.approx(2.0)
    assert found.interval == pytest.approx((2 - half, 2 + half), rel=1e-5)


@pytest.mark.parametrize("kind", ["fid", "kid"])
def test_without_each_is_the_distance_of_the_others(kind: Literal["fid", "kid"]) -> None:
    x, y = ([drawn(n, 3, seed=k + shift) for k, n in enumerate((4, 2, 5, 3))] for shift in (0, 100))
    others = [[k for k in range(4) if k != out] for out in range(4)]
    distance = Distance(kind)
    expected = [distance([x[k] for k in kept], [y[k] for k in kept]) for kept in others]
    assert distance.without_each(x, y).tolist() == pytest.approx(expected, rel=1e-6)


def test_a_paired_difference_of_equal_arms_is_zero() -> None:
    clips = [(drawn(4, 3, seed=k), drawn(4, 3, seed=100 + k)) for k in range(5)]
    found = Estimate.of(Distance("kid"), clips)
    assert ((found - found).value, (found - found).interval) == (0.0, (0.0, 0.0))


@pytest.mark.parametrize("kind", ["fid", "kid"])
@pytest.mark.parametrize("clips", [1, 2])
def test_one_or_two_clips_have_no_interval(kind: Literal["fid", "kid"], clips: int) -> None:
    assert Estimate.of(Distance(kind), [(drawn(4, 3), drawn(4, 3, seed=1))] * clips).interval is None
