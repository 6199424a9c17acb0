"""Shares of independent votes or trials: Wilson's interval and the exact sign test."""

from dataclasses import dataclass

from scipy import stats

from frameweave.errors import InputError


@dataclass(frozen=True, kw_only=True)
class Share:
    """How many of n independent trials came out one way."""

    n: int
    value: float
    """In [0, 1]."""
    low: float
    high: float
    """Wilson's 95 % interval (1927), which stays in [0, 1] and keeps its level for few trials."""
    p_half: float
    """Exact two-sided test against one half: the sign test when ties are left out of n."""


def share(wins: int, n: int) -> Share:
    """The share of `wins` among `n` trials. Raises `InputError` unless 0 <= wins <= n and n > 0.

    Trials must be independent: votes of one rater, or about one clip, are not, and their interval is wider.

    >>> found = share(42, 67)
    >>> print(f"{found.value:.3f} [{found.low:.3f}, {found.high:.3f}], p = {found.p_half:.3f}")
    0.627 [0.507, 0.733], p = 0.050
    """
    if not 0 <= wins <= n or n == 0:
        raise InputError(
            f"{wins} of {n}, expected a part of at least one trial", hint="count trials without ties"
        )
    test = stats.binomtest(wins, n)
    low, high = test.proportion_ci(0.95, method="wilson")
    return Share(n=n, value=wins / n, low=float(low), high=float(high), p_half=float(test.pvalue))
