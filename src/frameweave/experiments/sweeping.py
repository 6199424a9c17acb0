"""Training windows against windows of the edit: what each combination changes."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from statistics import mean
from typing import Any

from frameweave.experiments.arms import WITHOUT, Arm
from frameweave.model.card import Card

Draw = tuple[str, str, int]
"""An editor, a pair and a seed."""


def sweep_rows(arms: Sequence[tuple[Arm, Card]], scores: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """For each arm whose window was given, and each metric: both windows, and the mean difference to none.

    Means are over editors and clips. No rows for fewer than two such arms.
    """
    windowed = [(arm, card) for arm, card in arms if arm.window is not None]
    if len(windowed) < 2:
        return []
    values: dict[tuple[str, str], dict[Draw, float]] = defaultdict(dict)
    for row in scores:
        if row["value"] is not None:
            draw = row["editor"], row["pair"], row["seed"]
            values[row["arm"], row["metric"]][draw] = row["value"]
    rows: list[dict[str, Any]] = []
    for arm, card in windowed:
        for metric in sorted({metric for name, metric in values if name == arm.name}):
            own, none = values[arm.name, metric], values[WITHOUT, metric]
            both = own.keys() & none.keys()
            if both:
                rows.append(
                    {"train": [card.low, card.high], "inference": arm.window, "metric": metric}
                    | {"value": mean(own[draw] - none[draw] for draw in sorted(both))}
                )
    return rows
