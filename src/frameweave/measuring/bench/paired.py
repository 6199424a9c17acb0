"""Times as ratios: two jobs measured in turns, so that a busy machine slows both."""

import time
from collections.abc import Callable
from statistics import median
from typing import Any


def paired(ours: Callable[[], object], floor: Callable[[], object], repeats: int) -> float:
    """Median of ours over floor, measured in turns after one warm-up each."""
    for job in (ours, floor):
        job()
    return median(seconds(ours) / seconds(floor) for _ in range(repeats))


def seconds(job: Callable[[], object]) -> float:
    """How long a job takes."""
    start = time.perf_counter()
    job()
    return time.perf_counter() - start


def row(figure: str, value: float, bar: str) -> dict[str, Any]:
    """A line of the bench: what, the measured ratio or value, and its bar."""
    return {"figure": figure, "value": round(value, 3), "bar": bar}
