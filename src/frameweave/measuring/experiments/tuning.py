"""Choosing how strongly a LoRA acts at which timesteps: what a choice gains, and which is best."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from frameweave.adaptor.strengths import StrengthSchedule

NOTHING = "0-1:0"
"""The strength schedule by which nothing acts."""
WORTH_OF_NOTHING = 0.0


@dataclass(frozen=True, kw_only=True)
class Gain:
    """By how much a metric becomes better over clips, and that over its standard error."""

    metric: str
    mean: float
    t: float


def gain(metric: str, with_: Mapping[str, float], without: Mapping[str, float], *, lower: bool) -> Gain:
    """Of one metric, from its values by clip; positive is better. Zero where no clip has both."""
    change = np.array([with_[clip] - without[clip] for clip in sorted(with_.keys() & without.keys())])
    if lower:
        change = -change
    mean = float(change.mean()) if len(change) else 0.0
    error = float(change.std(ddof=1)) / len(change) ** 0.5 if len(change) > 1 else 0.0
    return Gain(metric=metric, mean=mean, t=mean / error if error else 0.0)


def worth(gains: Sequence[Gain], guards: Collection[str] = ()) -> float:
    """The least certain of several gains, in standard errors.

    Gains in the metrics that are `guards` count only where they are losses of more than their standard error:
    a choice may leave the prompt as well followed as it was, and must not spoil it.
    """
    return min(one.t for one in gains if one.metric not in guards or one.t < -1)


def candidates(chosen: str, band: str, strengths: Sequence[float]) -> Iterator[str]:
    """Strength schedules that add one band to what was chosen, each with another strength.

    >>> list(candidates("0.9-1:2", "0.6-0.9", (0.5, 1)))
    ['0.9-1:2,0.6-0.9:0.5', '0.9-1:2,0.6-0.9:1']
    """
    kept = [] if chosen == NOTHING else [chosen]
    for strength in strengths:
        yield str(StrengthSchedule.parse(",".join(chain(kept, [f"{band}:{strength:g}"]))))
