"""How many votes, raters and clips a study needs to show a preference of a given size."""

from dataclasses import dataclass

from scipy import stats

_MOST = 20_000
_TOOTH = 60  # votes; longer than a saw tooth of the power


@dataclass(frozen=True, kw_only=True)
class Need:
    """What it takes to show one true share."""

    share: float
    votes: int
    """Independent votes for each editor and criterion."""
    effective: float
    """What all votes of the plan are worth, given how much the votes on a clip resemble each other."""
    power: float
    """The chance that the plan shows it."""


def votes_needed(share: float, *, power: float = 0.8, level: float = 0.05) -> int:
    """Independent votes from which on the exact two-sided sign test shows a true share with that chance.

    The power of an exact test rises in saw teeth; the number is behind the last tooth that is too low.

    >>> [votes_needed(share) for share in (0.6, 0.7)]
    [210, 54]
    """
    n, enough = 4, 0
    while enough < _TOOTH and n < _MOST:
        n += 1
        enough = enough + 1 if power_of(share, n, level=level) >= power else 0
    return n - enough + 1


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


def needs(clips: int, per_pair: int, *, tests: int, icc: float = 0.25) -> list[Need]:
    """For several true shares: votes needed, and the power of `clips` x `per_pair` votes for each editor.

    `icc` is how much votes on one clip resemble each other (0.22 to 0.29 in EditEval's ratings); with it,
    m votes on a clip are worth m / (1 + (m - 1) icc). `tests` divides the level (Bonferroni).
    """
    effective = clips * per_pair / (1 + (per_pair - 1) * icc)
    level = 0.05 / tests
    return [
        Need(
            share=share,
            votes=votes_needed(share, level=level),
            effective=round(effective, 1),
            power=round(power_of(share, effective, level=level), 3),
        )
        for share in (0.55, 0.6, 0.65, 0.7, 0.75)
    ]
