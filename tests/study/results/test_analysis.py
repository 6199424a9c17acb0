"""The figures of a study: known preferences are found, bad raters are left out by the rules, ties stay."""

import random
from dataclasses import replace
from typing import Any

import pytest

from frameweave.study.answers import Answer
from frameweave.study.assignment import trials_of
from frameweave.study.design import Design, Pair
from frameweave.study.results.analysis import analysed


def design(editors: int = 2, clips: int = 12, **more: Any) -> Design:
    pairs = [
        Pair(
            id=f"{editor}-{clip}", editor=f"e{editor}", clip=f"c{clip}", prompt="x", source="s",
            systems=("without", "with"), media=("a", "b"),
        )
        for editor in range(editors)
        for clip in range(clips)
    ]  # fmt: skip
    check = Pair(
        id="check",
        editor="",
        clip="",
        prompt="x",
        source="s",
        systems=("bad", "good"),
        media=("a", "b"),
        better=1,
    )
    return Design(name="x", seed=1, pairs=tuple(pairs), obvious=(check,), **{"per_rater": 24, **more})


def rows(
    study: Design, chance: dict[str, float], raters: int = 12, *, seed: int = 0, **oddity: Any
) -> list[Answer]:
    """Answers of simulated raters who prefer the second system with a given chance by editor."""
    rng = random.Random(seed)
    found: list[Answer] = []
    for rater in range(raters):
        memory: dict[tuple[str, str], int] = {}
        for position, trial in enumerate(trials_of(study, rater, {})):
            pair = study.pair(trial.pair)
            for criterion in study.criteria:
                prefers = int(rng.random() < chance.get(pair.editor, 1.0))
                prefers = memory.setdefault((pair.id, criterion), prefers)
                side = "left" if prefers == trial.left else "right"
                answer = Answer(
                    rater=rater, position=position, pair=pair.id, kind=trial.kind, left=trial.left,
                    criterion=criterion, choice=side, at=0, milliseconds=4000, loops=2,
                )  # fmt: skip
                found.append(replace(answer, **oddity) if rater == 0 else answer)
    return found


def test_known_preferences_are_found_within_their_intervals() -> None:
    study = design()
    found = analysed(study, rows(study, {"e0": 0.75, "e1": 0.5}, raters=16))
    assert found.excluded == {} and len(found.preferences) == 6
    for one in found.preferences:
        assert one.share is not None and one.clustered is not None and one.p_holm is not None
        truth = 0.75 if one.editor == "e0" else 0.5
        assert one.clustered[0] - 0.02 <= truth <= one.clustered[1] + 0.02
        assert (one.p_holm < 0.01) == (one.editor == "e0")
        assert one.share.n == 16 * 12 and one.systems == ("without", "with")
    assert found.repeats == (16 * 3, 16 * 3)
    assert found.left is not None and found.left.low < 0.5 < found.left.high
    assert all(alpha is not None and alpha < 0.3 for alpha in found.agreement.values())


@pytest.mark.parametrize(
    ("oddity", "reason"),
    [
        ({"loops": 0}, "before the videos were seen once"),
        ({"choice": "left"}, "chose the left side in 27 of 27 pages"),
    ],
)
def test_raters_are_left_out_by_fixed_rules(oddity: dict[str, Any], reason: str) -> None:
    study = design()
    answers = rows(study, {"e0": 0.6, "e1": 0.6}, **oddity)
    found = analysed(study, answers)
    assert list(found.excluded) == [0] and reason in found.excluded[0]
    assert found.raters == 12 and found.answers == 11 * 24 * 3
    assert analysed(study, answers, exclude=False).answers == 12 * 24 * 3


def test_failed_checks_leave_a_rater_out() -> None:
    study = design()
    answers = [
        replace(one, choice="right" if one.choice == "left" else "left")
        if one.rater == 3 and one.kind == "obvious"
        else one
        for one in rows(study, {"e0": 0.6, "e1": 0.6})
    ]
    assert analysed(study, answers).excluded == {3: "failed 2 of 2 checks of attention"}


def test_ties_are_counted_and_left_out_of_the_share() -> None:
    study = design(editors=1, clips=3, no_preference=True, per_rater=3)
    answers = [
        replace(one, choice="none") if one.pair == "0-0" and one.kind == "pair" else one
        for one in rows(study, {"e0": 1.0}, raters=4)
    ]
    (first, *_) = analysed(study, answers).preferences
    assert first.ties == 4 and first.share is not None and (first.share.n, first.share.value) == (8, 1.0)


def test_clips_are_tested_and_not_answers() -> None:
    """Six raters of one mind about four clips: 24 answers, but four clips prove little."""
    study = design(editors=1, clips=4, per_rater=4)
    for one in analysed(study, rows(study, {"e0": 1.0}, raters=6)).preferences:
        assert one.share is not None and one.share.p_half == pytest.approx(2 / 2**24)
        assert one.p_clips == pytest.approx(2 / 2**4) and one.p_holm == pytest.approx(3 * 2 / 2**4)


def test_no_answers_yet() -> None:
    found = analysed(design(), [])
    assert found.raters == 0 and found.left is None
    assert all(one.share is None and one.p_holm is None for one in found.preferences)


def test_three_systems_have_strengths() -> None:
    names = [("a", "b"), ("b", "c"), ("a", "c")]
    pairs = [
        Pair(
            id=f"{k}", editor="e", clip=f"c{k}", prompt="", source="", systems=names[k % 3], media=("x", "y")
        )
        for k in range(24)
    ]
    study = Design(name="x", seed=0, pairs=tuple(pairs), obvious_per_rater=0, per_rater=24)
    found = analysed(study, rows(study, {"e": 0.8}, raters=10))
    for strengths in found.strengths.values():
        assert strengths.systems["c"] > strengths.systems["b"] > strengths.systems["a"]
