"""Paired differences over clips: the unit is the clip, since its frames are near-copies of each other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

FEWEST = 3
"""Clips below which there is no interval."""
NO_SPREAD = "no spread"
"""The method of an interval without width: all clips have one value."""
_BOOTSTRAP = 10  # clips below which Student's t is the better interval
_RESAMPLES = 10_000
_BATCH = 1000  # resamples at once, so that memory does not grow with them
_EXACT = 20  # clips up to which all sign flips are tried: half a million sums
_SEED = 0

Draw = tuple[str, str, int]
"""The clip, the pair of clip and prompt, and the seed of an edit."""


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A 95 % interval of a mean over clips, and how it was found."""

    low: float
    high: float
    method: str


@dataclass(frozen=True, kw_only=True)
class Paired:
    """The difference of two arms on the same clips."""

    n: int
    """Clips."""
    mean: float
    interval: Interval | None
    """None for fewer than 3 clips."""
    p_sign: float
    """Exact two-sided sign test; ties are left out."""
    p_permutation: float
    """Two-sided test by flipping signs."""
    wins: int
    """Clips on which the first arm is better."""
    ties: int
    losses: int
    d_z: float | None
    """Mean over standard deviation of the differences; None when they do not vary."""


def by_clip(values: Mapping[Draw, float]) -> dict[str, float]:
    """The mean for each clip: over the seeds of a pair first, then over the clip's pairs.

    >>> by_clip({("a", "a to red", 0): 1.0, ("a", "a to red", 1): 3.0, ("a", "a to blue", 0): 5.0})
    {'a': 3.5}
    """
    pairs: dict[str, list[float]] = {}
    for (clip, _, _), value in over_seeds(values).items():
        pairs.setdefault(clip, []).append(value)
    return {clip: float(np.mean(each)) for clip, each in pairs.items()}


def over_seeds(values: Mapping[Draw, float]) -> dict[Draw, float]:
    """The mean over the seeds of each pair, as one draw.

    >>> over_seeds({("a", "p", 0): 1.0, ("a", "p", 1): 3.0})
    {('a', 'p', 0): 2.0}
    """
    found: dict[tuple[str, str], list[float]] = {}
    for (clip, pair, _), value in values.items():
        found.setdefault((clip, pair), []).append(value)
    return {(*key, 0): float(np.mean(each)) for key, each in found.items()}


def matched(
    first: Mapping[Draw, float], second: Mapping[Draw, float]
) -> tuple[dict[str, float], dict[str, float]]:
    """Both arms' values by clip, over the draws that both have: a missing edit leaves no trace in either.

    >>> matched({("a", "p", 0): 1.0, ("a", "p", 1): 9.0}, {("a", "p", 0): 2.0})
    ({'a': 1.0}, {'a': 2.0})
    """
    common = [draw for draw in first if draw in second]
    return by_clip({draw: first[draw] for draw in common}), by_clip({draw: second[draw] for draw in common})


def seed_spread(first: Mapping[Draw, float], second: Mapping[Draw, float]) -> float | None:
    """Standard deviation of first minus second over the seeds of a pair, pooled over pairs.

    None when no pair has two seeds in both arms.

    >>> one = {("a", "p", 0): 1.0, ("a", "p", 1): 3.0, ("a", "q", 0): 9.0}
    >>> seed_spread(one, dict.fromkeys(one, 0.0))
    1.4142135623730951
    """
    pairs: dict[tuple[str, str], list[float]] = {}
    for draw in first:
        if draw in second:
            pairs.setdefault(draw[:2], []).append(first[draw] - second[draw])
    repeated = [each for each in pairs.values() if len(each) > 1]
    if not repeated:
        return None
    squares = sum(float(np.var(each)) * len(each) for each in repeated)
    return float(np.sqrt(squares / sum(len(each) - 1 for each in repeated)))


def mean_interval(values: Sequence[float]) -> Interval | None:
    """The 95 % interval of the mean of one value a clip; None for fewer than 3 clips.

    It is Student's t; from 10 clips on, each end is the outer one of it and of the studentised bootstrap
    (Efron & Tibshirani 1993, chapter 12). The bootstrap keeps its level on skewed values, where Student's t,
    BCa and percentiles fall short; it fails, and Student's t does not, where few clips change much and all
    others hardly. Where it leaves the values' own range it does not count.
    """
    data = np.asarray(values, float)
    if len(data) < FEWEST:
        return None
    mean = float(data.mean())
    if np.ptp(data) == 0:
        return Interval(low=mean, high=mean, method=NO_SPREAD)
    error = float(data.std(ddof=1) / np.sqrt(len(data)))
    half = float(stats.t.ppf(0.975, len(data) - 1)) * error
    low, high = mean - half, mean + half
    if len(data) >= _BOOTSTRAP:
        ends = _pivot_quantiles(data, error)
        own_low, own_high = mean - ends[1] * error, mean - ends[0] * error
        if data.min() <= own_low and own_high <= data.max():
            return Interval(
                low=min(low, own_low), high=max(high, own_high), method="Student's t or wider by bootstrap"
            )
    return Interval(low=low, high=high, method="Student's t")


def _pivot_quantiles(data: NDArray[np.float64], error: float) -> tuple[float, float]:
    """The 2.5 % and 97.5 % quantiles of (mean* - mean) / error* over resamples.

    Infinite when too many resamples have no spread: nearly all values are equal.
    """
    draws = np.random.default_rng(_SEED)
    pivots: list[NDArray[np.float64]] = []
    for _ in range(_RESAMPLES // _BATCH):
        sample = data[draws.integers(0, len(data), (_BATCH, len(data)))]
        shift, spread = sample.mean(1) - data.mean(), sample.std(1, ddof=1) / np.sqrt(len(data))
        flat = spread < 1e-9 * error  # rounding leaves a little spread in equal values
        pivots.append(np.where(flat, np.copysign(np.inf, shift), shift / np.where(flat, 1.0, spread)))
    low, high = np.quantile(np.concatenate(pivots), [0.025, 0.975], method="inverted_cdf")
    return float(low), float(high)


def paired(
    first: Mapping[str, float], second: Mapping[str, float], *, lower_is_better: bool
) -> Paired | None:
    """First minus second on the clips that both have; None when there is none.

    `lower_is_better` decides what a win of the first is.
    """
    clips = sorted(first.keys() & second.keys())
    if not clips:
        return None
    change = np.array([first[clip] - second[clip] for clip in clips], float)
    better = -change if lower_is_better else change
    wins, losses = int((better > 0).sum()), int((better < 0).sum())
    decided = wins + losses
    spread = float(change.std(ddof=1)) if len(change) > 1 else 0.0
    return Paired(
        n=len(clips),
        mean=float(change.mean()),
        interval=mean_interval([float(value) for value in change]),
        p_sign=float(stats.binomtest(wins, decided).pvalue) if decided else 1.0,
        p_permutation=sign_flips(change),
        wins=wins,
        ties=len(clips) - decided,
        losses=losses,
        d_z=float(change.mean()) / spread if spread > 0 else None,
    )


def sign_flips(change: NDArray[np.float64]) -> float:
    """How often flipped signs give a mean as far from zero: all flips, or for many clips 10,000 at random.

    The two-sided p-value of one value a clip, if each clip's is as likely above zero as below.
    """
    if not change.any():
        return 1.0
    if len(change) > _EXACT:
        found = stats.permutation_test(
            (change,),
            np.mean,
            permutation_type="samples",
            n_resamples=_RESAMPLES,
            batch=_BATCH,
            rng=np.random.default_rng(_SEED),
        )
        return float(found.pvalue)
    sums = change[:1]  # the first sign may stay: a flip of all signs is as far from zero
    for value in change[1:]:
        sums = np.concatenate([sums + value, sums - value])
    rounding = 1e-12 * np.abs(change).sum()
    return float(np.mean(np.abs(sums) >= abs(change.sum()) - rounding))
