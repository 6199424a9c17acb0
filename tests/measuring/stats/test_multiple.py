"""Holm's correction."""

import pytest

from frameweave.measuring.stats.multiple import holm


def test_a_worked_example() -> None:
    # Holm (1979) by hand: sorted 0.01, 0.013, 0.014, 0.19, 0.35, 0.5 times 6, 5, 4, 3, 2, 1, made monotone
    p = [0.35, 0.01, 0.19, 0.5, 0.013, 0.014]
    assert holm(p) == pytest.approx([0.7, 0.06, 0.57, 0.7, 0.065, 0.065])


def test_never_above_one_and_never_below_the_raw_value() -> None:
    assert holm([]) == []
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([0.04]) == [0.04]
