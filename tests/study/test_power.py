"""Power of the exact sign test, against known numbers and simulation."""

import numpy as np
import pytest
from scipy import stats

from frameweave.study.power import power_of, powers


def test_power_is_what_a_simulation_finds() -> None:
    wins = np.random.default_rng(0).binomial(80, 0.65, 4000)
    shown = {int(k): stats.binomtest(int(k), 80).pvalue <= 0.05 for k in np.unique(wins)}
    assert power_of(0.65, 80) == pytest.approx(np.mean([shown[int(k)] for k in wins]), abs=0.02)
    assert power_of(0.9, 0) == 0


def test_votes_on_one_clip_are_worth_less() -> None:
    one, ten = powers(40, 1, tests=1), powers(40, 10, tests=1)
    assert one[0].effective == 40 and ten[0].effective == pytest.approx(400 / 3.25, abs=0.1)
    assert [found.power for found in ten] == sorted(found.power for found in ten)
    assert powers(40, 10, tests=12)[2].power < ten[2].power
