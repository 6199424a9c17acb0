"""Training windows against windows of the edit: what each combination changes."""

from collections.abc import Sequence
from statistics import mean

from frameweave.adaptor.card import Card
from frameweave.measuring.experiments.arms import Arm
from frameweave.measuring.records import WITHOUT, SweepLine
from frameweave.measuring.report.results import Results


def sweep_lines(arms: Sequence[tuple[Arm, Card]], results: Results) -> list[SweepLine]:
    """For each arm whose window was given, and each metric: both windows, and the mean difference to none.

    Means are over editors and clips. No lines for fewer than two such arms, nor where two have both windows
    in common: these differ in something else.
    """
    windowed = [(arm, card, arm.window) for arm, card in arms if arm.window is not None]
    if len({(card.low, card.high, window) for _, card, window in windowed}) < max(2, len(windowed)):
        return []
    lines: list[SweepLine] = []
    for arm, card, window in windowed:
        for metric in sorted({line.metric for line in results.scores if line.arm == arm.name}):
            changes: list[float] = []
            for editor in sorted(results.editors):
                with_, without = results.matched(editor, arm.name, WITHOUT, metric)
                changes += [with_[clip] - without[clip] for clip in with_]
            if changes:
                ends = card.low, card.high
                lines.append(SweepLine(train=ends, inference=window, metric=metric, value=mean(changes)))
    return lines
