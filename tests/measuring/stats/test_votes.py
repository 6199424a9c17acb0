"""Votes: intervals over raters and clips, strengths and agreement, against known ones and closed forms."""

import math

import numpy as np
import pytest
from scipy import stats

from frameweave.measuring.stats.votes import (
    Match,
    Vote,
    agreement,
    bradley_terry,
    clustered_interval,
    p_over_clips,
)


def test_independent_votes_have_about_the_interval_of_independent_votes() -> None:
    rng = np.random.default_rng(1)
    votes = [
        Vote(rater=rater, clip=f"c{clip}", win=bool(rng.random() < 0.6))
        for rater in range(20)
        for clip in range(20)
    ]
    low, high = clustered_interval(votes) or (0, 1)
    naive = 2 * 1.96 * math.sqrt(0.24 / 400)
    assert low < 0.6 < high and 0.9 * naive < high - low < 2.2 * naive


def test_raters_who_always_vote_alike_count_as_one_vote_each() -> None:
    votes = [Vote(rater=r, clip=f"c{c}", win=r % 2 == 0) for r in range(10) for c in range(30)]
    low, high = clustered_interval(votes) or (0, 1)
    assert high - low > 0.5  # ten independent votes have 0.62, three hundred 0.11


def test_too_few_raters_or_clips_have_no_interval() -> None:
    assert clustered_interval([Vote(rater=r, clip="c", win=True) for r in range(9)]) is None


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    rng, held = np.random.default_rng(2), 0
    for _ in range(60):
        by_rater, by_clip = rng.normal(0, 0.5, 15), rng.normal(0, 0.5, 15)
        votes = [
            Vote(
                rater=r, clip=f"c{c}", win=bool(rng.random() < 1 / (1 + math.exp(-by_rater[r] - by_clip[c])))
            )
            for r in range(15)
            for c in range(15)
        ]
        low, high = clustered_interval(votes) or (0, 0)
        held += low <= 0.5 <= high
    assert held >= 53  # 95 % of 60 is 57


def test_the_test_over_clips_by_hand() -> None:
    # shares of 3/4, 1 and 1/4: +-1/4 +-1/2 -+1/4 is as far from zero as 1/2 in 6 of 8 ways
    wins = {"a": (1, 1, 1, 0), "b": (1, 1), "c": (0, 0, 0, 1)}
    votes = [Vote(rater=r, clip=c, win=bool(win)) for c, all_ in wins.items() for r, win in enumerate(all_)]
    assert p_over_clips(votes) == pytest.approx(6 / 8)
    assert p_over_clips([Vote(rater=r, clip=f"c{c}", win=True) for r in range(9) for c in range(4)]) == 1 / 8


def test_alike_votes_about_a_clip_are_no_evidence() -> None:
    """No true preference, 6 votes a clip of which those about one clip correlate by a quarter."""
    rng, over_clips, as_independent, studies = np.random.default_rng(4), 0, 0, 500
    for _ in range(studies):
        liked = rng.beta(1.5, 1.5, 14)  # the correlation is 1 / (1.5 + 1.5 + 1)
        votes = [
            Vote(rater=r, clip=f"c{c}", win=bool(rng.random() < liked[c]))
            for c in range(14)
            for r in range(6)
        ]
        over_clips += p_over_clips(votes) < 0.05
        as_independent += stats.binomtest(sum(vote.win for vote in votes), len(votes)).pvalue < 0.05
    assert over_clips / studies < 0.075
    assert as_independent / studies > 0.12


def test_strengths_of_two_systems_are_the_log_odds() -> None:
    matches = [Match(winner="a", loser="b", winner_left=n % 2 == 0) for n in range(3000)]
    matches += [Match(winner="b", loser="a", winner_left=n % 2 == 0) for n in range(1000)]
    found = bradley_terry(matches)
    assert found.systems["a"] - found.systems["b"] == pytest.approx(math.log(3), abs=0.01)
    assert found.left == pytest.approx(0, abs=0.01) and sum(found.systems.values()) == pytest.approx(0)


def test_known_strengths_and_the_left_side_are_recovered() -> None:
    rng, true, left = np.random.default_rng(3), {"a": 1.0, "b": 0.0, "c": -1.0}, 0.4
    matches: list[Match] = []
    for _ in range(6000):
        x, y = rng.choice(list(true), 2, replace=False)  # x is on the left
        if rng.random() < 1 / (1 + math.exp(-(true[x] - true[y] + left))):
            matches.append(Match(winner=x, loser=y, winner_left=True))
        else:
            matches.append(Match(winner=y, loser=x, winner_left=False))
    found = bradley_terry(matches)
    assert found.left == pytest.approx(left, abs=0.08)
    assert all(found.systems[name] == pytest.approx(value, abs=0.1) for name, value in true.items())


def test_a_system_that_always_wins_has_a_finite_strength() -> None:
    found = bradley_terry([Match(winner="a", loser="b", winner_left=True)] * 50)
    assert 1 < found.systems["a"] < 10


def test_agreement_by_hand() -> None:
    # two raters, two pairs, equal on one: D_o = 2/4; n_0 = 3, n_1 = 1, D_e = 2*3*1/(4*3) -> alpha = 0
    assert agreement([(0, "a", 0), (1, "a", 0), (0, "b", 0), (1, "b", 1)]) == pytest.approx(0.0)
    assert agreement([(0, "a", 0), (1, "a", 0), (0, "b", 1), (1, "b", 1)]) == pytest.approx(1.0)
    assert agreement([(0, "a", 0), (1, "b", 1)]) is None
    assert agreement([(0, "a", 1), (1, "a", 1)]) is None
