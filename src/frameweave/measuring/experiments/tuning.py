"""Choosing how strongly a LoRA acts at which timesteps: what a choice gains, and which is best."""

import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from frameweave.adaptor.strengths import StrengthSchedule
from frameweave.diffusion.schedule import Window

NOTHING = "0-1:0"
"""The strength schedule by which nothing acts."""
WORTH_OF_NOTHING = 0.0
_SURE = 1e6
"""Larger than t comes out of clips that differ, and a number that JSON holds."""


@dataclass(frozen=True, kw_only=True)
class Gain:
    """By how much a metric becomes better over clips."""

    metric: str
    mean: float
    """In the metric's own unit; positive is better."""
    t: float
    """The mean over its standard error."""
    sure: float
    """What is gained at least: the mean less its standard error, as a share of the metric's standard
    deviation over clips when nothing acts. So gains in different metrics can be compared."""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One way for an adaptor to act, and what it is worth."""

    schedule: str = NOTHING
    """How strongly its LoRA acts by timestep."""
    tokens: bool = False
    """Whether its prompt tokens act."""
    worth: float = WORTH_OF_NOTHING

    @property
    def name(self) -> str:
        if not self.tokens:
            return self.schedule
        return "tokens alone" if self.schedule == NOTHING else f"{self.schedule} and tokens"


def gain(metric: str, with_: Mapping[str, float], without: Mapping[str, float], *, lower: bool) -> Gain:
    """Of one metric, from its values by clip. Zero where no clip has both."""
    both = sorted(with_.keys() & without.keys())
    change = np.array([with_[clip] - without[clip] for clip in both])
    if lower:
        change = -change
    few = len(change) < 2
    mean = float(change.mean()) if len(change) else 0.0
    error = 0.0 if few else float(change.std(ddof=1)) / len(change) ** 0.5
    spread = 0.0 if few else float(np.std([without[clip] for clip in both], ddof=1))
    sure = (mean - error) / (spread or 1.0)
    return Gain(metric=metric, mean=mean, t=mean / error if error else _sure(mean, few=few), sure=sure)


def _sure(mean: float, *, few: bool) -> float:
    """t of a change that is the same on all clips; one clip alone says nothing."""
    return 0.0 if few or not mean else math.copysign(_SURE, mean)


def worth(gains: Sequence[Gain], guards: Collection[str] = ()) -> float:
    """What is gained at least, of several gains in the metric that gains least.

    To ask for the surest gain instead, the mean over its standard error, would favour the weakest of all
    strengths: where each clip gains in proportion to it, all strengths are equally sure.
    Gains in the metrics that are `guards` count only where they are losses of more than their standard error:
    a choice may leave the prompt as well followed as it was, and must not spoil it.
    """
    return min(one.sure for one in gains if one.metric not in guards or one.t < -1)


def candidates(chosen: str, band: str, strengths: Sequence[float]) -> Iterator[str]:
    """Strength schedules that give one band another strength than what was chosen; silence is one of them.

    >>> list(candidates("0.9-1:2", "0.6-0.9", (0.5, 1)))
    ['0.9-1:2,0.6-0.9:0.5', '0.9-1:2,0.6-0.9:1']
    >>> list(candidates("0.9-1:2,0.6-0.9:1", "0.9-1", (1, 2)))
    ['0.6-0.9:1', '0.9-1:1,0.6-0.9:1']
    """
    (window, _), *_ = StrengthSchedule.parse(f"{band}:1").parts
    kept = _without(chosen, window)
    tried = [kept or NOTHING]
    for strength in strengths:
        text = ",".join(filter(None, [kept, f"{band}:{strength:g}"]))
        tried.append(str(StrengthSchedule.parse(text)))
    yield from (text for text in tried if text != chosen)


def _without(chosen: str, window: Window) -> str:
    """A schedule without that window and without what is silent; empty for none."""
    parts = StrengthSchedule.parse(chosen).acting.parts
    return str(StrengthSchedule(tuple(part for part in parts if part[0] != window)))


def search(
    best_of: Callable[[str, Sequence[Trial], Trial], Trial],
    *,
    bands: Sequence[str],
    strengths: Sequence[float],
    passes: int = 1,
    tokens: bool = False,
) -> Trial:
    """The best way for an adaptor to act: the prompt tokens are tried first, then one band after the other.

    `best_of` measures trials for a band (empty for the tokens) and gives the best of them, with its worth, or
    the one before them. Further passes try each band again beside what was chosen for the others, until none
    changes.
    """
    best = Trial()
    for _ in range(passes):
        before = best
        if tokens:
            best = best_of("", [replace(best, tokens=not best.tokens)], best)
        for band in bands:
            texts = candidates(best.schedule, band, strengths)
            best = best_of(band, [replace(best, schedule=text) for text in texts], best)
        if best == before:
            break
    return best
