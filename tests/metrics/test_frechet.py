"""Fréchet and kernel distances against closed forms, torchmetrics and each other."""

import math

import pytest
import torch
from torch import Tensor, nn
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.kid import KernelInceptionDistance

from frameweave.metrics.frechet import Distance, frechet_distance, jackknifed, kernel_distance


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
        def __call__(self, x: Tensor, y: Tensor) -> float:
            return float(x.mean() - y.mean())

    value, interval = jackknifed(Mean("fid"), clips)
    half = 1.96 * float(values.std()) / 2
    assert value == pytest.approx(2.0)
    assert interval == pytest.approx((2 - half, 2 + half), rel=1e-5)


def test_a_paired_difference_of_equal_arms_is_zero() -> None:
    clips = [(drawn(4, 3, seed=k), drawn(4, 3, seed=100 + k)) for k in range(5)]
    value, interval = jackknifed(Distance("kid"), clips, [edited for edited, _ in clips])
    assert (value, interval) == (0.0, (0.0, 0.0))
    assert jackknifed(Distance("fid"), clips[:2])[1] is None
