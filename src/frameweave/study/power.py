"""The chance that a study shows a preference of a given size."""

from dataclasses import dataclass

from scipy import stats

_ICC = 0.25  # how much votes on one clip resemble each other: 0.22 to 0.29 in EditEval's ratings


@dataclass(frozen=True, kw_only=True)
class Power:
    """How well a plan shows one true share."""

    share: float
    effective: float
    """What all votes of the plan are worth, given how much the votes on a clip resemble each other."""
    power: float
    """The chance that the plan shows it."""


def power_of(share: float, votes: float, *, level: float = 0.05) -> float:
    """The chance that the exact sign test of so many votes excludes one half, at a true share."""
    n = int(votes)
    if n < 1:
        return 0.0
    law = stats.binom(n, 0.5)
    fewest = int(law.ppf(1 - level / 2)) + 1  # of wins, so that twice the upper tail is below the level
    while fewest <= n and 2 * law.sf(fewest - 1) > level:
        fewest += 1
    real = stats.binom(n, share)
    return float(real.sf(fewest - 1) + real.cdf(n - fewest))


def powers(clips: int, per_pair: int, *, tests: int) -> list[Power]:
    """For several true shares: the power of `clips` x `per_pair` votes for each editor.

    m votes on a clip are worth m / (1 + (m - 1) icc). `tests` divides the level (Bonferroni).
    """
    effective = clips * per_pair / (1 + (per_pair - 1) * _ICC)
    level = 0.05 / tests
    return [
        Power(
            share=share,
            effective=round(effective, 1),
            power=round(power_of(share, effective, level=level), 3),
        )
        for share in (0.55, 0.6, 0.65, 0.7, 0.75)
    ]
