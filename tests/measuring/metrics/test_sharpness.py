"""Sharpness against another library's Laplacian, and of clips that are blurred by hand."""

import math

import cv2
import numpy as np
import pytest
import torch

from frameweave.measuring.experiments.measures import Backbones
from frameweave.measuring.experiments.references import blurred
from frameweave.measuring.metrics.base import Case, Looked
from frameweave.measuring.metrics.sharpness import detail, sharpness_metric, sharpness_ratio


def test_detail_is_the_librarys_laplacian() -> None:
    frames = torch.rand(2, 3, 9, 12)
    pictures = frames.permute(0, 2, 3, 1).numpy()
    theirs = [np.abs(cv2.Laplacian(picture, cv2.CV_32F)[1:-1, 1:-1]).mean() for picture in pictures]
    assert float(detail(frames)) == pytest.approx(float(np.mean(theirs)), rel=1e-5)


def test_a_copy_is_as_sharp_and_blur_is_less() -> None:
    frames = torch.rand(2, 3, 32, 32)
    case = Case(edited=Looked(blurred(frames)), source=Looked(frames), truth=Looked(frames * 0.5))
    source, truth = (sharpness_metric(against).measure(case) for against in ("source", "truth"))
    assert source < 0.5
    assert truth == pytest.approx(2 * source, rel=1e-4)
    assert sharpness_ratio(frames, frames) == 1


def test_nothing_to_compare_with_is_no_number() -> None:
    flat, tiny = torch.full((1, 3, 8, 8), 0.5), torch.rand(1, 3, 2, 8)
    assert math.isnan(sharpness_ratio(torch.rand(1, 3, 8, 8), flat))
    assert math.isnan(sharpness_ratio(tiny, tiny))


def test_sharpness_stands_beside_flicker_and_is_not_tested() -> None:
    each = [one for one in Backbones(kind="miniature").measures().each if one.headline]
    names = [one.name for one in each]
    assert names[:4] == ["warp_error", "sharpness_truth", "sharpness_source", "excess_flicker"]
    assert all(one.better == "none" for one in each if one.name.startswith("sharpness"))
