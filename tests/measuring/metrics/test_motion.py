"""Motion error of clips whose motion is known."""

import pytest
import torch

from frameweave.measuring.experiments.measures import Backbones
from frameweave.measuring.metrics.base import Case, Looked, measured
from frameweave.measuring.metrics.motion import end_point_error, motion_alignment
from measuring.metrics.test_flow import moving


def test_the_error_is_the_length_of_the_difference() -> None:
    a, b = torch.zeros(2, 2, 4, 5), torch.zeros(2, 2, 4, 5)
    b[:, 0], b[:, 1] = 3, -4
    assert end_point_error(a, b) == pytest.approx(5)


def test_the_same_motion_is_no_error_and_other_motion_its_difference() -> None:
    source, faster = moving(3, 1), moving(3, 3)
    assert motion_alignment(Case(edited=Looked(source), source=Looked(source))) == 0
    other = motion_alignment(Case(edited=Looked(faster), source=Looked(source)))
    assert other == pytest.approx(2, abs=0.5)  # borders are guessed
    frozen = source[:1].expand_as(source)
    assert motion_alignment(Case(edited=Looked(frozen), source=Looked(source))) == pytest.approx(1, abs=0.3)


def test_what_is_missing_is_a_reason() -> None:
    (metric,) = (one for one in Backbones(kind="miniature").measures().each if one.name == "motion_alignment")
    assert metric.title == "Motion error in pixels [DIS flow]"
    one = Case(edited=Looked(moving(1, 1)), source=Looked(moving(1, 1)))
    alone = Case(edited=Looked(moving(2, 1)))
    found = [measured(case, [metric])[0] for case in (one, alone)]
    assert [(score.value, score.reason) for score in found] == [
        (None, "needs two frames"),
        (None, "needs a source"),
    ]
