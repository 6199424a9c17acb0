"""Ranges of settings."""

import math
from dataclasses import dataclass

import pytest

from frameweave.errors import InputError
from frameweave.runs.ranges import ANY, COUNT, POSITIVE, SHARE, Range, check_ranges


@dataclass(frozen=True)
class Settings:
    steps: int | None = None
    rate: float = 0.5
    window: tuple[float, float] = (0.9, 1.0)


RANGES = {"steps": COUNT, "rate": POSITIVE, "window": SHARE, "absent": COUNT}


def test_what_is_in_range_passes() -> None:
    check_ranges(Settings(), RANGES)
    check_ranges(Settings(steps=1, rate=1e-9, window=(0.0, 1.0)), RANGES)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (Settings(steps=0), "steps is 0, expected at least 1; leave it out for the default$"),
        (Settings(rate=0), "rate is 0, expected more than 0; leave it out for the default, 0.5"),
        (Settings(rate=math.nan), "rate is nan"),
        (Settings(rate=math.inf), "rate is inf"),
        (Settings(window=(0.9, 1.1)), r"window is 1\.1, expected 0 to 1"),
    ],
)
def test_what_lies_outside_is_told(settings: Settings, message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_ranges(settings, RANGES)


def test_infinities_lie_in_no_range() -> None:
    for finite in (ANY, COUNT, Range(-1)):
        assert not any(value in finite for value in (math.inf, -math.inf, math.nan))
