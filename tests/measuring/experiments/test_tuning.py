"""Choosing strength schedules: gains by hand, and what a search tries."""

import pytest

from frameweave.errors import InputError
from frameweave.measuring.experiments.tuning import NOTHING, Gain, candidates, gain, worth


def test_a_gain_is_the_mean_over_its_standard_error_on_clips_that_both_have() -> None:
    found = gain("m", {"a": 1.0, "b": 3.0, "c": 9.0}, {"a": 2.0, "b": 7.0}, lower=True)
    # changes for the better are 1 and 4: mean 2.5, standard deviation 3 / sqrt 2, its error 1.5
    assert (found.mean, found.t) == (2.5, pytest.approx(2.5 / 1.5))
    assert gain("m", {"a": 1.0}, {"a": 2.0}, lower=False).mean == -1


def test_equal_clips_and_no_clips_gain_nothing() -> None:
    assert gain("m", {"a": 1.0, "b": 2.0}, {"a": 1.0, "b": 2.0}, lower=True).t == 0
    assert gain("m", {}, {"a": 1.0}, lower=True).mean == 0


def test_the_least_certain_gain_counts() -> None:
    steadier = gain("warp", {"a": 1.0, "b": 2.0}, {"a": 2.0, "b": 4.0}, lower=True)
    worse = gain("clip", {"a": 1.0, "b": 2.0}, {"a": 2.0, "b": 4.0}, lower=False)
    assert worth([steadier, worse]) == worse.t < 0 < steadier.t


def test_a_guard_counts_only_where_it_is_lost() -> None:
    steadier, kept, lost = (
        Gain(metric=name, mean=0.0, t=t) for name, t in (("warp", 2.0), ("clip", -0.9), ("clip", -1.1))
    )
    assert worth([steadier, kept], ["clip"]) == 2.0
    assert worth([steadier, lost], ["clip"]) == -1.1
    assert worth([steadier, kept]) == -0.9


def test_candidates_add_a_band_to_what_was_chosen() -> None:
    assert list(candidates(NOTHING, "0.9-1", (0.5, 2))) == ["0.9-1:0.5", "0.9-1:2"]
    assert list(candidates("0.9-1:2", "0.3-0.6", (1,))) == ["0.9-1:2,0.3-0.6:1"]
    with pytest.raises(InputError, match="overlap"):
        list(candidates("0.5-1:2", "0.3-0.6", (1,)))
