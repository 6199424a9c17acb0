"""Frame accuracy of vectors whose cosines are known."""

import math

import pytest
import torch

from frameweave.measuring.metrics.base import Case, Looked
from frameweave.measuring.metrics.frame_accuracy import frame_accuracy_metric
from measuring.metrics.test_clip_score import Colours


def test_the_share_of_frames_that_the_prompt_has_won() -> None:
    frames = torch.zeros(4, 3, 2, 2)
    frames[:3, 0], frames[3, 1] = 1, 1  # three red frames, a green one
    metric = frame_accuracy_metric(Colours())
    for prompt, other, share in (("red", "green", 0.75), ("green", "red", 0.25)):
        case = Case(edited=Looked(frames), prompt=prompt, source_prompt=other)
        assert metric.measure(case) == pytest.approx(share)


def test_one_prompt_for_both_tells_nothing() -> None:
    case = Case(edited=Looked(torch.rand(2, 3, 2, 2)), prompt="red", source_prompt="red")
    assert math.isnan(frame_accuracy_metric(Colours()).measure(case))
