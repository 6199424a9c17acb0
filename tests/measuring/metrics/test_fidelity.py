"""PSNR and SSIM against torchmetrics and by hand."""

import math

import pytest
import torch
from torchmetrics.functional.image import structural_similarity_index_measure

from frameweave.measuring.metrics.base import Case, Looked, measured
from frameweave.measuring.metrics.fidelity import FRAME_DIFFERENCE, pixel_metric, psnr, ssim


@pytest.fixture
def pictures() -> tuple[torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(0)
    a = torch.rand(3, 3, 24, 20, generator=rng)
    return a, (a + 0.1 * torch.randn(a.shape, generator=rng)).clamp(0, 1)


def test_psnr_by_hand() -> None:
    a, b = torch.zeros(2, 3, 4, 4), torch.zeros(2, 3, 4, 4)
    b[0] += 0.1
    assert psnr(a, b).tolist() == pytest.approx([20.0, 100.0])


def test_outside_counts_only_what_is_outside() -> None:
    a, b = torch.zeros(1, 3, 4, 4), torch.zeros(1, 3, 4, 4)
    b[..., :2] = 1.0  # wrong where the edit may change it
    b[..., 2:] = 0.1
    mask = torch.zeros(1, 1, 4, 4)
    mask[..., :2] = 1
    case = Case(edited=Looked(b), source=Looked(a), mask=mask)
    assert pixel_metric("psnr", "outside").measure(case) == pytest.approx(20.0, abs=1e-4)


def test_the_object_counts_by_itself() -> None:
    truth, edited = torch.zeros(2, 3, 4, 4), torch.zeros(2, 3, 4, 4)
    edited[..., :2] = 0.1  # the object
    edited[..., 2:] = 1.0
    shown = torch.zeros(2, 1, 4, 4)
    shown[0, ..., :2] = 1  # in the second frame it is out of sight
    case = Case(edited=Looked(edited), truth=Looked(truth), object=shown)
    assert pixel_metric("psnr", "object").measure(case) == pytest.approx(20.0, abs=1e-4)
    (score,) = measured(Case(edited=Looked(edited), truth=Looked(truth)), [pixel_metric("psnr", "object")])
    assert score.reason == "needs to know where the true edit's object is"


def test_ssim_agrees_with_torchmetrics(pictures: tuple[torch.Tensor, torch.Tensor]) -> None:
    a, b = pictures
    # torchmetrics leaves out a border of half a window, this one reflects: compare the inside
    inside = torch.zeros(3, 1, 24, 20)
    inside[..., 5:-5, 5:-5] = 1
    expected = structural_similarity_index_measure(
        a, b, data_range=1.0, gaussian_kernel=True, sigma=1.5, kernel_size=11, reduction="none"
    )
    assert ssim(a, b, inside).tolist() == pytest.approx(expected.tolist(), abs=2e-3)


def test_equal_pictures_and_small_ones(pictures: tuple[torch.Tensor, torch.Tensor]) -> None:
    a, _ = pictures
    assert ssim(a, a).tolist() == pytest.approx([1.0] * 3)
    assert math.isnan(float(ssim(a[:1, :, :4, :4], a[:1, :, :4, :4])))


def test_frame_difference() -> None:
    frames = torch.stack([torch.full((3, 4, 4), value) for value in (0.0, 0.5, 0.25)])
    assert FRAME_DIFFERENCE.measure(Case(edited=Looked(frames))) == pytest.approx(0.375)
