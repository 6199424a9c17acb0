"""Choosing strength schedules: gains by hand, what a search tries, and whether it finds a known optimum."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from frameweave.adaptor.strengths import StrengthSchedule
from frameweave.errors import InputError
from frameweave.measuring.experiments.tuning import NOTHING, Gain, Trial, candidates, gain, search, worth


def test_a_gain_is_the_mean_over_its_standard_error_on_clips_that_both_have() -> None:
    found = gain("m", {"a": 1.0, "b": 3.0, "c": 9.0}, {"a": 2.0, "b": 7.0}, lower=True)
    # changes for the better are 1 and 4: mean 2.5, standard deviation 3 / sqrt 2, its error 1.5
    assert (found.mean, found.t) == (2.5, pytest.approx(2.5 / 1.5))
    assert found.sure == pytest.approx((2.5 - 1.5) / (5 / 2**0.5))  # of 2 and 7
    assert gain("m", {"a": 1.0}, {"a": 2.0}, lower=False).mean == -1


def test_equal_clips_and_no_clips_gain_nothing() -> None:
    same = gain("m", {"a": 1.0, "b": 2.0}, {"a": 1.0, "b": 2.0}, lower=True)
    assert (same.t, same.sure) == (0, 0)
    assert gain("m", {}, {"a": 1.0}, lower=True).mean == 0


def test_the_metric_that_gains_least_counts() -> None:
    steadier = gain("warp", {"a": 1.0, "b": 2.0}, {"a": 2.0, "b": 4.0}, lower=True)
    worse = gain("clip", {"a": 1.0, "b": 2.0}, {"a": 2.0, "b": 4.0}, lower=False)
    assert worth([steadier, worse]) == worse.sure < 0 < steadier.sure


def test_a_guard_counts_only_where_it_is_lost() -> None:
    steadier, kept, lost = (
        Gain(metric=name, mean=0.0, t=t, sure=t / 10)
        for name, t in (("warp", 2.0), ("clip", -0.9), ("clip", -1.1))
    )
    assert worth([steadier, kept], ["clip"]) == pytest.approx(0.2)
    assert worth([steadier, lost], ["clip"]) == pytest.approx(-0.11)
    assert worth([steadier, kept]) == pytest.approx(-0.09)


def test_candidates_give_a_band_another_strength() -> None:
    assert list(candidates(NOTHING, "0.9-1", (0.5, 2))) == ["0.9-1:0.5", "0.9-1:2"]
    assert list(candidates("0.9-1:2", "0.3-0.6", (1,))) == ["0.9-1:2,0.3-0.6:1"]
    assert list(candidates("0.9-1:2", "0.9-1", (1, 2))) == [NOTHING, "0.9-1:1"]
    with pytest.raises(InputError, match="overlap"):
        list(candidates("0.5-1:2", "0.3-0.6", (1,)))


BANDS, STRENGTHS = ("0.7-1", "0.4-0.7", "0-0.4"), (0.25, 0.5, 0.75, 1.0, 1.5, 2.0)
MIDDLES = (850, 550, 200)


class Landscape:
    """Thirty clips whose loss is known: two bands that do part of each other's work, and one that only harms.

    Clips gain in proportion to how much they need the adaptor. With the second band at rest the first is best
    at 1, with it at its best at 0.75.
    """

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        self.needs = {f"{k}": need for k, need in enumerate(rng.uniform(0.4, 1.6, 30))}
        self.tried = 0

    def loss(self, strengths: Sequence[float], need: float) -> float:
        first, second, third = strengths[0] - 0.75, strengths[1] - 0.75, strengths[2]
        return 5 + need * (first**2 + second**2 + 0.9 * first * second + 0.2 * third)

    def values(self, schedule: str) -> dict[str, float]:
        parsed = StrengthSchedule.parse(schedule)
        strengths = [parsed.at(t) for t in MIDDLES]
        return {clip: self.loss(strengths, need) for clip, need in self.needs.items()}

    def worth(self, schedule: str) -> float:
        return worth([gain("loss", self.values(schedule), self.values(NOTHING), lower=True)])

    def best_of(self, _band: str, trials: Sequence[Trial], before: Trial) -> Trial:
        self.tried += len(trials)
        trials = [replace(trial, worth=self.worth(trial.schedule)) for trial in trials]
        return max([before, *trials], key=lambda trial: trial.worth)


def test_a_search_finds_the_known_optimum() -> None:
    """One pass ends on the way there: the first band was chosen while the second one was at rest."""
    here = Landscape()
    every = [
        ",".join(f"{band}:{strength}" for band, strength in zip(BANDS, chosen, strict=True))
        for chosen in product((0.0, *STRENGTHS), repeat=3)
    ]
    optimum = str(StrengthSchedule.parse(max(every, key=here.worth)).acting)
    assert optimum == "0.7-1:0.75,0.4-0.7:0.75"
    once = search(here.best_of, bands=BANDS, strengths=STRENGTHS)
    assert once.schedule == "0.7-1:1,0.4-0.7:0.75"
    here.tried = 0
    found = search(here.best_of, bands=BANDS, strengths=STRENGTHS, passes=40)
    assert found.schedule == optimum
    assert here.tried < len(every) / 2


def test_the_surest_strength_is_not_the_best() -> None:
    """All clips gain in proportion to the strength, some more than others: every strength is equally sure."""
    here = Landscape()
    small, right = "0.7-1:0.25", "0.7-1:1"
    t = {text: gain("loss", here.values(text), here.values(NOTHING), lower=True).t for text in (small, right)}
    assert t[small] == pytest.approx(t[right], rel=0.01)
    assert here.worth(right) > 2 * here.worth(small) > 0


def test_a_loss_that_is_equal_on_all_clips_is_sure() -> None:
    lost = gain("follows", {"a": 0.5, "b": 0.5}, {"a": 0.75, "b": 0.75}, lower=False)
    assert lost.t == -1e6 and worth([lost], ["follows"]) < 0
    assert gain("follows", {"a": 0.5}, {"a": 0.75}, lower=False).t == 0  # one clip says nothing
