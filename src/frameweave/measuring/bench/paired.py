"""Times as ratios: two calls measured in turns, so that a busy machine slows both."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, kw_only=True)
class Row:
    """What, the measured ratio or value, and its bar."""

    figure: str
    value: float
    bar: str


def paired(ours: Callable[[], object], floor: Callable[[], object], repeats: int) -> float:
    """Median of ours over floor, measured in turns after one warm-up each."""
    for call in (ours, floor):
        call()
    return median(seconds(ours) / seconds(floor) for _ in range(repeats))


def seconds(call: Callable[[], object]) -> float:
    """How long a call takes."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def row(figure: str, value: float, bar: str) -> Row:
    """A line of the bench."""
    return Row(figure=figure, value=round(value, 3), bar=bar)
