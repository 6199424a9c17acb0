"""Votes of raters about clips: intervals and tests that know of both, strengths of systems, agreement."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import krippendorff
import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from frameweave.measuring.stats.paired import sign_flips

_RESAMPLES = 4000
_SEED = 0
_FEWEST = 3  # raters and clips below which there is no interval
_PRIOR = 0.1  # of a strength's square: keeps a system that always wins finite


@dataclass(frozen=True, kw_only=True)
class Vote:
    """One answer about one clip; ties are left out before."""

    rater: int
    clip: str
    win: bool


def clustered_interval(votes: Sequence[Vote]) -> tuple[float, float] | None:
    """The share's 95 % interval over other raters *and* other clips (Owen 2007, the pigeonhole bootstrap).

    Raters and clips are drawn with repetition, apart from each other; a vote weighs as often as both were
    drawn. None for fewer than 3 of either.
    """
    raters, who = np.unique([vote.rater for vote in votes], return_inverse=True)
    clips, what = np.unique([vote.clip for vote in votes], return_inverse=True)
    if min(len(raters), len(clips)) < _FEWEST:
        return None
    wins = np.array([vote.win for vote in votes], dtype=float)
    rng = np.random.default_rng(_SEED)
    of_rater = rng.multinomial(len(raters), np.full(len(raters), 1 / len(raters)), _RESAMPLES)
    of_clip = rng.multinomial(len(clips), np.full(len(clips), 1 / len(clips)), _RESAMPLES)
    weights = of_rater[:, who] * of_clip[:, what]
    total = weights.sum(1)
    shares = (weights @ wins)[total > 0] / total[total > 0]
    low, high = np.quantile(shares, [0.025, 0.975])
    return float(low), float(high)


def p_over_clips(votes: Sequence[Vote]) -> float:
    """The two-sided p-value against one half, of at least one vote, with the clip as the unit.

    Votes about one clip resemble each other, so a sign test that takes them as independent finds what is
    not there. Here each clip's share of wins is one value, which may as well lie on the other side of a half.
    """
    clips, what = np.unique([vote.clip for vote in votes], return_inverse=True)
    wins = np.bincount(what, weights=[vote.win for vote in votes], minlength=len(clips))
    return sign_flips(wins / np.bincount(what) - 0.5)


@dataclass(frozen=True, kw_only=True)
class Match:
    """One answer between two systems."""

    winner: str
    loser: str
    winner_left: bool


@dataclass(frozen=True, kw_only=True)
class Strengths:
    """Log-odds of winning against the mean system (Bradley-Terry), and what the left side adds."""

    systems: dict[str, float]
    left: float


def bradley_terry(matches: Sequence[Match]) -> Strengths:
    """Strengths by which systems beat each other (Bradley and Terry 1952), and the left side's advantage.

    Logistic regression with a weak Gaussian prior, so that a system that always wins has a finite strength.
    They sum to zero. Systems that were never compared, even through others, are not told apart.
    """
    names = sorted({name for match in matches for name in (match.winner, match.loser)})
    index = {name: number for number, name in enumerate(names)}
    rows = np.zeros((len(matches), len(names) + 1))
    for row, match in zip(rows, matches, strict=True):
        row[index[match.winner]], row[index[match.loser]] = 1, -1
        row[-1] = 1 if match.winner_left else -1

    def loss(values: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        odds = rows @ values
        wrong = 1 / (1 + np.exp(odds))
        return (
            float(np.logaddexp(0, -odds).sum() + 0.5 * _PRIOR * (values @ values)),
            -(wrong @ rows) + _PRIOR * values,
        )

    found = optimize.minimize(loss, np.zeros(len(names) + 1), jac=True, method="L-BFGS-B").x
    strengths = found[:-1] - found[:-1].mean()
    return Strengths(
        systems={name: float(strengths[number]) for name, number in index.items()}, left=float(found[-1])
    )


def agreement(answers: Sequence[tuple[int, str, int]]) -> float | None:
    """Krippendorff's alpha (nominal) of (rater, pair, choice): 1 is full agreement, 0 that of chance.

    None when no pair has two answers, or all answers are the same.
    """
    raters = {rater: number for number, rater in enumerate(sorted({rater for rater, _, _ in answers}))}
    pairs = {pair: number for number, pair in enumerate(sorted({pair for _, pair, _ in answers}))}
    table = np.full((len(raters), len(pairs)), np.nan)
    for rater, pair, choice in answers:
        table[raters[rater], pairs[pair]] = choice
    several = np.isfinite(table).sum(0) > 1
    values = np.unique(table[:, several][np.isfinite(table[:, several])])
    if len(values) < 2:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return float(krippendorff.alpha(table, level_of_measurement="nominal"))
