"""Wilson's interval and the sign test against published worked examples."""

import pytest
from scipy import stats

from frameweave.errors import InputError
from frameweave.measuring.stats.proportion import share


@pytest.mark.parametrize(
    ("wins", "n", "low", "high"),
    [  # Newcombe 1998, table I, method 3
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_published_intervals(wins: int, n: int, low: float, high: float) -> None:
    found = share(wins, n)
    assert (found.low, found.high) == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))


def test_the_interval_solves_wilsons_equation() -> None:
    found = share(42, 67)
    z = stats.norm.ppf(0.975)
    for bound in (found.low, found.high):
        assert abs(found.value - bound) == pytest.approx(z * (bound * (1 - bound) / 67) ** 0.5)


def test_the_sign_test_by_hand() -> None:
    assert share(9, 10).p_half == pytest.approx(2 * (1 + 10) / 2**10)
    assert share(5, 10).p_half == 1.0
    assert share(41, 67).p_half > 0.05 > share(42, 67).p_half


@pytest.mark.parametrize(("wins", "n"), [(0, 0), (3, 2), (-1, 2)])
def test_no_share(wins: int, n: int) -> None:
    with pytest.raises(InputError, match="expected a part"):
        share(wins, n)
