"""What is missing becomes a reason; what does not fit is an error."""

from dataclasses import replace

import pytest
import torch

from frameweave.errors import InputError
from frameweave.measuring.metrics.base import Case, Looked, Metric, measured
from frameweave.measuring.metrics.fidelity import FRAME_DIFFERENCE, pixel_metric
from frameweave.measuring.metrics.flow import warp_error_metric

ONE, FOUR = torch.zeros(1, 3, 16, 16), torch.rand(4, 3, 16, 16)


def test_reasons() -> None:
    metrics = [FRAME_DIFFERENCE, pixel_metric("psnr", "truth"), warp_error_metric(true_flow=True)]
    found = measured(Case(edited=Looked(ONE)), metrics)
    assert [score.value for score in found] == [None] * 3
    assert [score.reason for score in found] == [
        "needs two frames",
        "needs the true edit",
        "needs a source or its flow",
    ]


def test_a_mask_that_leaves_nothing_outside_is_no_mask() -> None:
    whole = torch.ones(4, 1, 16, 16)
    metric = pixel_metric("psnr", "outside")
    case = Case(edited=Looked(FOUR), source=Looked(FOUR), mask=whole)
    assert measured(case, [metric])[0].reason == "needs a mask with something outside"


def test_no_finite_number_is_a_reason() -> None:
    broken = FOUR.clone()
    broken[0, 0, 0, 0] = float("nan")
    score = measured(Case(edited=Looked(broken)), [FRAME_DIFFERENCE])[0]
    assert (score.value, score.reason) == (None, "came out as nan")


@pytest.mark.parametrize("other", [FOUR[:3], FOUR[..., :8]])
def test_other_lengths_and_sizes_are_refused(other: torch.Tensor) -> None:
    with pytest.raises(InputError, match="the source has . frames of .* the edited clip 4 frames of 16 x 16"):
        Case(edited=Looked(FOUR), source=Looked(other))


def test_each_look_happens_once() -> None:
    seen: list[int] = []
    clip = Looked(FOUR)
    for _ in range(3):
        assert clip.once("mean", lambda frames: (seen.append(1), float(frames.mean()))[1]) == float(
            FOUR.mean()
        )
    assert len(seen) == 1


def failing(error: Exception) -> Metric:
    def measure(case: Case) -> float:
        raise error

    return replace(FRAME_DIFFERENCE, name="failing", measure=measure)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (RuntimeError("sizes\ndiffer"), "RuntimeError: sizes differ"),
        (ZeroDivisionError(), "ZeroDivisionError"),
        (InputError("too small", hint="take larger ones"), "too small; take larger ones"),
    ],
)
def test_a_metric_that_raises_takes_no_other_with_it(error: Exception, reason: str) -> None:
    bad, good = measured(Case(edited=Looked(FOUR)), [failing(error), FRAME_DIFFERENCE])
    assert (bad.value, bad.reason) == (None, reason) and good.value is not None


@pytest.mark.parametrize("error", [MemoryError(), torch.OutOfMemoryError("CUDA out of memory")])
def test_a_lack_of_memory_is_no_result(error: Exception) -> None:
    """It would be kept as the metric's answer, and not be tried again."""
    with pytest.raises(type(error)):
        measured(Case(edited=Looked(FOUR)), [failing(error)])
