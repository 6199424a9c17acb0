"""Assignment: equal numbers for every pair, sides in halves, orders by seed."""

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frameweave.study.assignment import Shown, Trial, trials_of
from frameweave.study.design import Design, Pair


def pair(number: int, editor: str = "e", better: int | None = None) -> Pair:
    return Pair(
        id=f"p{number}", editor=editor, clip=f"c{number}", prompt="a red car", source=f"s{number}",
        systems=("without", "with"), media=(f"a{number}", f"b{number}"), better=better,
    )  # fmt: skip


def design(count: int, per_rater: int, editors: int = 4, **more: int) -> Design:
    return Design(
        name="x",
        seed=7,
        pairs=tuple(pair(number, f"e{number % editors}") for number in range(count)),
        obvious=(pair(900, "check", 0), pair(901, "check", 1)),
        per_rater=per_rater,
        **more,
    )


def run(study: Design, raters: int) -> list[list[Trial]]:
    shown: dict[str, Shown] = {}
    lists: list[list[Trial]] = []
    for rater in range(raters):
        trials = trials_of(study, rater, shown)
        lists.append(trials)
        for trial in trials:
            if trial.kind == "pair":
                seen = shown.get(trial.pair, Shown())
                shown[trial.pair] = Shown(
                    first_left=seen.first_left + (trial.left == 0),
                    first_right=seen.first_right + (trial.left == 1),
                )
    return lists


@given(st.integers(1, 30), st.integers(1, 25), st.integers(1, 12))
def test_every_pair_is_shown_equally_often_and_on_both_sides(count: int, per: int, raters: int) -> None:
    lists = run(design(count, per), raters)
    times = Counter(trial.pair for trials in lists for trial in trials if trial.kind == "pair")
    total = [times[f"p{number}"] for number in range(count)]
    assert max(total) - min(total) <= 1 and sum(total) == raters * min(per, count)
    for number in range(count):
        lefts = [t.left for trials in lists for t in trials if (t.kind, t.pair) == ("pair", f"p{number}")]
        assert abs(2 * sum(lefts) - len(lefts)) <= 1


def test_a_first_rater_has_halves_too_and_everybody_has_an_order_of_their_own() -> None:
    first, second = run(design(20, 20), 2)
    for trials in (first, second):
        assert sum(trial.left for trial in trials if trial.kind == "pair") == 10
    assert [t.pair for t in first] != [t.pair for t in second]
    assert first == run(design(20, 20), 1)[0]


def test_no_editor_follows_itself_and_no_check_is_first() -> None:
    for rater in range(30):
        trials = trials_of(design(24, 12), rater, {})
        names = [design(24, 12).pair(t.pair).editor for t in trials if t.kind == "pair"]
        assert all(a != b for a, b in pairwise(names))
        assert trials[0].kind == "pair"


def test_checks_and_repeats() -> None:
    trials = trials_of(design(8, 6, obvious_per_rater=2, repeats_per_rater=2), 3, {})
    assert Counter(trial.kind for trial in trials) == {"pair": 6, "obvious": 2, "repeat": 2}
    for again in (trial for trial in trials if trial.kind == "repeat"):
        (before,) = (t for t in trials if t.kind == "pair" and t.pair == again.pair)
        assert before.left == 1 - again.left
        assert trials.index(again) - trials.index(before) >= 4


@pytest.mark.parametrize("change", [{"per_rater": 0}, {"per_pair": 0}])
def test_a_design_that_makes_no_sense_is_refused(change: dict[str, int]) -> None:
    from frameweave.errors import InputError

    with pytest.raises(InputError):
        Design(name="x", seed=0, pairs=(pair(1),), obvious_per_rater=0, **change)
