"""Which pairs a rater sees, on which sides and in which order: balanced over raters, and by seed."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from frameweave.study.design import Design, Kind, Pair


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One page of a rater: a pair with its sides."""

    pair: str
    kind: Kind
    left: int
    """Which of the pair's two videos is on the left."""


def video_on(side: str, left: int) -> int | None:
    """Which of a pair's two videos is on a side, given the one on the left; None for no side.

    >>> video_on("left", 1), video_on("right", 1), video_on("none", 1)
    (1, 0, None)
    """
    return {"left": left, "right": 1 - left}.get(side)


@dataclass(frozen=True, kw_only=True)
class Shown:
    """How often a pair was given to raters: with its first video on the left, and on the right."""

    first_left: int = 0
    first_right: int = 0

    @property
    def total(self) -> int:
        return self.first_left + self.first_right


def trials_of(design: Design, rater: int, shown: Mapping[str, Shown]) -> list[Trial]:
    """The trials of the rater with that number, given what raters before have got.

    Pairs that were shown least come first, so every pair gets equal numbers. A pair's sides even out over
    raters; where they are even already, they even out within the rater. The same editor does not come twice
    in a row where that can be helped, checks are never first, and a repeat comes as late as possible.
    """
    rng = random.Random(f"{design.seed} {rater}")
    order = list(design.pairs)
    rng.shuffle(order)
    order.sort(key=lambda pair: shown.get(pair.id, Shown()).total)
    chosen = order[: design.per_rater]
    rng.shuffle(chosen)
    sides = _sides(chosen, shown, rng)
    counted = [Trial(pair=pair.id, kind="pair", left=sides[pair.id]) for pair in _spread(chosen, rng)]
    trials = list(counted)
    for number in range(design.obvious_per_rater):
        check = design.obvious[(rater * design.obvious_per_rater + number) % len(design.obvious)]
        place = rng.randint(min(1, len(trials)), len(trials))
        trials.insert(place, Trial(pair=check.id, kind="obvious", left=rng.randint(0, 1)))
    again = counted[: min(design.repeats_per_rater, max(0, len(counted) - 1))]
    return [*trials, *(Trial(pair=trial.pair, kind="repeat", left=1 - trial.left) for trial in again)]


def _sides(pairs: Sequence[Pair], shown: Mapping[str, Shown], rng: random.Random) -> dict[str, int]:
    """For each pair, which of its videos is on the left."""
    sides: dict[str, int] = {}
    free: list[str] = []
    for pair in pairs:
        seen = shown.get(pair.id, Shown())
        if seen.first_left == seen.first_right:
            free.append(pair.id)
        else:
            sides[pair.id] = int(seen.first_left > seen.first_right)
    rng.shuffle(free)
    ones = sum(sides.values())
    for name in free:  # the rater's own halves
        zeros = len(sides) - ones
        sides[name] = rng.randint(0, 1) if zeros == ones else int(ones < zeros)
        ones += sides[name]
    return sides


def _spread(pairs: Sequence[Pair], rng: random.Random) -> list[Pair]:
    """An order in which no editor follows itself, as far as the numbers allow: the most frequent first."""
    left: dict[str, list[Pair]] = {}
    for pair in pairs:
        left.setdefault(pair.editor, []).append(pair)
    order: list[Pair] = []
    while left:
        last = order[-1].editor if order else None
        names = [name for name in left if name != last] or list(left)
        most = max(len(left[name]) for name in names)
        name = rng.choice([name for name in names if len(left[name]) == most])
        order.append(left[name].pop())
        if not left[name]:
            del left[name]
    return order
