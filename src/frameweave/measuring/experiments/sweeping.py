"""Training windows against windows of the edit: what each combination changes."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from statistics import mean
from typing import Any

from frameweave.adaptor.card import Card
from frameweave.measuring.experiments.arms import WITHOUT, Arm
from frameweave.measuring.stats.paired import Draw, matched


def sweep_rows(
    arms: Sequence[tuple[Arm, Card]], scores: Sequence[Mapping[str, Any]], clips: Mapping[str, str]
) -> list[dict[str, Any]]:
    """For each arm whose window was given, and each metric: both windows, and the mean difference to none.

    Means are over editors and clips; `clips` says of which clip each pair is. No rows for fewer than two
    such arms, nor where two have both windows in common: these differ in something else.
    """
    windowed = [(arm, card) for arm, card in arms if arm.window is not None]
    if len({(card.low, card.high, arm.window) for arm, card in windowed}) < max(2, len(windowed)):
        return []
    values: dict[tuple[str, str, str], dict[Draw, float]] = defaultdict(dict)
    for row in scores:
        if row["value"] is not None:
            draw = clips[row["pair"]], row["pair"], row["seed"]
            values[row["arm"], row["metric"], row["editor"]][draw] = row["value"]
    rows: list[dict[str, Any]] = []
    for arm, card in windowed:
        own = [(metric, editor) for name, metric, editor in values if name == arm.name]
        for metric, keys in groupby(sorted(own), itemgetter(0)):
            changes: list[float] = []
            for key in keys:
                with_, without = matched(values[arm.name, *key], values.get((WITHOUT, *key), {}))
                changes += [with_[clip] - without[clip] for clip in with_]
            if changes:
                rows.append(
                    {"train": [card.low, card.high], "inference": arm.window, "metric": metric}
                    | {"value": mean(changes)}
                )
    return rows
