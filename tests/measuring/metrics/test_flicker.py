"""Flicker beside the true edit's, of clips whose flicker is added by hand."""

import pytest
import torch

from frameweave.measuring.experiments.references import blurred
from frameweave.measuring.metrics.base import Case, Looked
from frameweave.measuring.metrics.flicker import TEMPORAL_ERROR, excess_flicker_metric, temporal_error
from frameweave.measuring.metrics.flow import warp_error
from measuring.metrics.test_flow import known, moving


def case(edited: torch.Tensor, truth: torch.Tensor) -> Case:
    flow, visible = known(len(edited), 2)
    return Case(edited=Looked(edited), source=Looked(truth), truth=Looked(truth), flow=flow, visible=visible)


def test_the_true_edits_own_flicker_is_no_excess() -> None:
    """The true edit changes by 0.05 from frame to frame: more and less than that count alike."""
    truth = moving(4, 2) * 0.5
    truth[1::2] += 0.05
    wrong, steadier = truth.clone(), moving(4, 2) * 0.5
    wrong[1::2] += 0.03
    excess = excess_flicker_metric(true_flow=True).measure
    assert excess(case(truth, truth)) == 0
    assert excess(case(wrong, truth)) == pytest.approx(0.03, abs=1e-6)
    assert excess(case(steadier, truth)) == pytest.approx(0.05, abs=1e-6)


def test_blur_lowers_the_warp_error_and_pays_here() -> None:
    truth = (moving(4, 2) + 0.2 * torch.rand(4, 3, 64, 64)).clamp(0, 1)
    flow, visible = known(4, 2)
    assert warp_error(blurred(truth), flow, visible) < warp_error(truth, flow, visible)
    assert excess_flicker_metric(true_flow=True).measure(case(blurred(truth), truth)) > 0.01


def test_temporal_error_by_hand() -> None:
    """One pixel row: the edit changes by 0.2 where the true edit changes by 0.1, in one of two steps."""
    truth, edited = torch.zeros(3, 3, 1, 2), torch.zeros(3, 3, 1, 2)
    truth[1:] = 0.1
    edited[1:] = 0.2
    assert temporal_error(edited, truth) == pytest.approx(255 * 0.1 / 2, rel=1e-5)
    assert TEMPORAL_ERROR.measure(case(moving(3, 2) * 0.5 + 0.3, moving(3, 2) * 0.5)) == pytest.approx(
        0, abs=1e-4
    )  # a constant tint changes nothing in time
