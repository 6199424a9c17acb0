"""From answers to figures: who is left out and why, shares with intervals and tests, agreement, sides."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

from scipy import stats

from frameweave.measuring.stats.multiple import holm
from frameweave.measuring.stats.proportion import Share, share
from frameweave.measuring.stats.votes import (
    Match,
    Strengths,
    Vote,
    agreement,
    bradley_terry,
    clustered_interval,
    p_over_clips,
)
from frameweave.study.answers import Answer
from frameweave.study.design import Design

FAILED_CHECKS = 2
"""Checks of attention that a rater may not fail."""
HASTY = 0.25
"""The share of pages that may be answered before the videos were seen once."""
ONE_SIDED = 0.001
"""The chance of so many answers on one side by luck, below which a rater is left out."""


@dataclass(frozen=True, kw_only=True)
class Preference:
    """How often one system was preferred to the other, in one editor and by one criterion."""

    editor: str
    criterion: str
    systems: tuple[str, str]
    """The share is that of the second."""
    share: Share | None
    """Without ties; None when there are only ties."""
    clustered: tuple[float, float] | None
    """The interval over raters and clips, which is wider than Wilson's and the one to believe."""
    ties: int
    p_clips: float | None
    """Sign flips of the clips' shares: that of `share` takes votes on one clip as independent."""
    p_holm: float | None
    """That, corrected for the number of editors, criteria and pairs of systems."""


@dataclass(frozen=True, kw_only=True)
class Analysis:
    """What a study found."""

    preferences: list[Preference]
    excluded: dict[int, str]
    """Raters who are left out, and why; by rules that were fixed before."""
    raters: int
    """Who answered at least once."""
    answers: int
    """That count: of pairs, by raters who are not left out."""
    agreement: dict[str, float | None]
    """Krippendorff's alpha by criterion."""
    repeats: tuple[int, int]
    """Of the answers to pairs that were shown twice: how many were the same, of how many."""
    strengths: dict[str, Strengths]
    """Bradley-Terry, by criterion, when there are more than two systems."""
    left: Share | None
    """How often the left side was chosen."""


def analysed(design: Design, answers: Sequence[Answer], *, exclude: bool = True) -> Analysis:
    """The figures of a study from its answers.

    With `exclude=False` nobody is left out, to show what the rules change.
    """
    excluded = at_fault(design, answers) if exclude else {}
    kept = [answer for answer in answers if answer.rater not in excluded]
    counted = [answer for answer in kept if answer.kind == "pair"]
    sides = [answer.choice for answer in counted if answer.choice != "none"]
    return Analysis(
        preferences=_preferences(design, counted),
        excluded=excluded,
        raters=len({answer.rater for answer in answers}),
        answers=len(counted),
        agreement={
            criterion: agreement(
                [
                    (answer.rater, answer.pair, answer.prefers)
                    for answer in counted
                    if answer.criterion == criterion and answer.prefers is not None
                ]
            )
            for criterion in design.criteria
        },
        repeats=_repeats(kept),
        strengths=_strengths(design, counted),
        left=share(sides.count("left"), len(sides)) if sides else None,
    )


def at_fault(design: Design, answers: Sequence[Answer]) -> dict[int, str]:
    """The raters who are left out, and why."""
    by_rater: dict[int, list[Answer]] = defaultdict(list)
    for answer in answers:
        by_rater[answer.rater].append(answer)
    found: dict[int, str] = {}
    for rater, own in sorted(by_rater.items()):
        if reason := _fault(design, own):
            found[rater] = reason
    return found


def _fault(design: Design, own: Sequence[Answer]) -> str:
    """Why a rater is left out; empty for all others."""
    judged = "quality" if "quality" in design.criteria else design.criteria[0]
    checks = [answer for answer in own if answer.kind == "obvious" and answer.criterion == judged]
    failed = sum(answer.prefers != design.pair(answer.pair).better for answer in checks)
    if failed >= FAILED_CHECKS:
        return f"failed {failed} of {len(checks)} checks of attention"
    pages = {answer.pair + answer.kind: answer.loops for answer in own}
    hasty = sum(loops == 0 for loops in pages.values())
    if hasty > HASTY * len(pages):
        return f"answered {hasty} of {len(pages)} pages before the videos were seen once"
    sides = [answer.choice for answer in own if answer.choice != "none" and answer.criterion == judged]
    if sides and stats.binomtest(sides.count("left"), len(sides)).pvalue < ONE_SIDED:
        side = "left" if sides.count("left") * 2 > len(sides) else "right"
        return f"chose the {side} side in {sides.count(side)} of {len(sides)} pages"
    return ""


def _preferences(design: Design, answers: Sequence[Answer]) -> list[Preference]:
    groups: dict[tuple[str, str, tuple[str, str]], list[Answer]] = {}
    for editor in dict.fromkeys(pair.editor for pair in design.pairs):
        for systems in dict.fromkeys(pair.systems for pair in design.pairs if pair.editor == editor):
            for criterion in design.criteria:
                groups[editor, criterion, systems] = []
    for answer in answers:
        pair = design.pair(answer.pair)
        groups[pair.editor, answer.criterion, pair.systems].append(answer)
    found: list[Preference] = []
    for (editor, criterion, systems), group in groups.items():
        votes = [
            Vote(rater=answer.rater, clip=design.pair(answer.pair).clip, win=answer.prefers == 1)
            for answer in group
            if answer.prefers is not None
        ]
        found.append(
            Preference(
                editor=editor,
                criterion=criterion,
                systems=systems,
                share=share(sum(vote.win for vote in votes), len(votes)) if votes else None,
                clustered=clustered_interval(votes) if votes else None,
                ties=len(group) - len(votes),
                p_clips=p_over_clips(votes) if votes else None,
                p_holm=None,
            )
        )
    tested = {number: one.p_clips for number, one in enumerate(found) if one.p_clips is not None}
    by_number = dict(zip(tested, holm(list(tested.values())), strict=True))
    return [replace(one, p_holm=by_number.get(number)) for number, one in enumerate(found)]


def _repeats(answers: Sequence[Answer]) -> tuple[int, int]:
    first = {
        (answer.rater, answer.pair, answer.criterion): answer.prefers
        for answer in answers
        if answer.kind == "pair"
    }
    again = [
        first[answer.rater, answer.pair, answer.criterion] == answer.prefers
        for answer in answers
        if answer.kind == "repeat" and (answer.rater, answer.pair, answer.criterion) in first
    ]
    return sum(again), len(again)


def _strengths(design: Design, answers: Sequence[Answer]) -> dict[str, Strengths]:
    systems = {name for pair in design.pairs for name in pair.systems}
    if len(systems) < 3:
        return {}
    found: dict[str, Strengths] = {}
    for criterion in design.criteria:
        matches: list[Match] = []
        for answer in answers:
            if answer.criterion == criterion and answer.prefers is not None:
                names = design.pair(answer.pair).systems
                matches.append(
                    Match(
                        winner=names[answer.prefers],
                        loser=names[1 - answer.prefers],
                        winner_left=answer.choice == "left",
                    )
                )
        if matches:
            found[criterion] = bradley_terry(matches)
    return found
