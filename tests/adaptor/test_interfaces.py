"""The line for A1111, against the counts of real schedulers."""

import numpy as np
import pytest

from frameweave.adaptor.interfaces import Sampler, a1111_line, a1111_weights, sampler_timesteps
from frameweave.adaptor.strengths import StrengthSchedule
from frameweave.errors import InputError

WINDOW = StrengthSchedule.parse("0.9-1:0.5")


@pytest.mark.parametrize(
    ("sampler", "steps", "active", "line"),
    [
        ("ddim", 20, 2, "<lora:kohya:0.5@0,0.5@0.055,0@0.0555>"),
        ("ddim", 50, 5, "<lora:kohya:0.5@0,0.5@0.0828,0@0.0833>"),
        ("dpmpp_2m_karras", 20, 3, "<lora:kohya:0.5@0,0.5@0.1106,0@0.1111>"),
        ("dpmpp_2m_karras", 50, 7, "<lora:kohya:0.5@0,0.5@0.1245,0@0.125>"),
        ("euler_a", 25, 3, "<lora:kohya:0.5@0,0.5@0.0864,0@0.0869>"),
        ("ddim", 8, 0, "<lora:kohya:0>"),
    ],
)
def test_the_line_for_a1111(sampler: Sampler, steps: int, active: int, line: str) -> None:
    timesteps = sampler_timesteps(sampler, steps)
    assert WINDOW.active(timesteps) == active
    assert a1111_line("kohya", WINDOW, timesteps) == line


def loractl(line: str, steps: int) -> list[float]:
    """The weight in each UNet call, as the extension has it: it interpolates at sampling_step / (steps - 2).

    A1111 sets `sampling_step` to a step's number when the step is done, so call i reads i - 1.
    """
    weights = line.removeprefix("<lora:x:").removesuffix(">")
    if "@" not in weights:
        return [float(weights)] * steps
    values, shares = zip(*(map(float, point.split("@")) for point in weights.split(",")), strict=True)
    assert list(shares) == sorted(shares)
    at = [max(call - 1, 0) / (steps - 2) for call in range(steps)]
    return np.interp(at, shares, values).tolist()


@pytest.mark.parametrize("sampler", ["ddim", "dpmpp_2m_karras", "euler_a"])
@pytest.mark.parametrize("steps", [2, 3, 4, 10, 20, 25, 30, 50, 75, 300, 1000])
@pytest.mark.parametrize(
    "text", ["0.9-1:0.5", "0.5-0.8:0.5", "0-1:0.5", "0.8-1:2,0.5-0.8:0.5,0-0.3:1", "0.85-0.95:1", "0-0.1:1"]
)
def test_loractl_gives_each_step_its_weight(sampler: Sampler, steps: int, text: str) -> None:
    strengths, timesteps = StrengthSchedule.parse(text), sampler_timesteps(sampler, steps)
    expected = [strengths.at(t) for t in timesteps]
    expected[1] = expected[0]  # it cannot tell these two apart
    assert a1111_weights(strengths, timesteps) == expected
    assert loractl(a1111_line("x", strengths, timesteps), steps) == pytest.approx(expected, abs=1e-9)


def test_impossible_steps_are_refused() -> None:
    with pytest.raises(InputError, match="0 steps, expected 1 to 1000"):
        sampler_timesteps("ddim", 0)
