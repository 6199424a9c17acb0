"""An experiment's scores, tidy, and the questions that tables and figures ask of them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from frameweave.measuring.stats.paired import Draw, Paired, by_clip, matched, paired, seed_spread

REFERENCE = "reference"
WITHOUT, WITH = "without", "with"


@dataclass(frozen=True, kw_only=True)
class MetricInfo:
    """What a table says about a metric."""

    name: str
    title: str
    better: str
    """lower, higher or none."""
    digits: int
    family: str
    """headline or other."""
    definition: str
    backbone: str | None = None
    published: bool = False

    @property
    def arrow(self) -> str:
        return {"lower": "↓", "higher": "↑"}.get(self.better, "")


@dataclass(frozen=True, eq=False, kw_only=True)
class Results:
    """What one or several folders of an experiment hold; `read_results` makes it.

    `scores` has a line for each edit and metric, `pooled` one for each measure over all clips at once.
    """

    folder: Path
    """Where the paths of videos start."""
    run: dict[str, Any]
    metrics: tuple[MetricInfo, ...]
    pairs: tuple[dict[str, Any], ...]
    cells: tuple[dict[str, Any], ...]
    scores: tuple[dict[str, Any], ...]
    pooled: tuple[dict[str, Any], ...]

    @cached_property
    def _values(self) -> Mapping[tuple[str, str, str], dict[Draw, float]]:
        clips: dict[str, str] = {pair["pair"]: str(pair["clip"]) for pair in self.pairs}
        found: dict[tuple[str, str, str], dict[Draw, float]] = {}
        for line in self.scores:
            value = line["value"]
            if value is None or not math.isfinite(value):
                continue
            draw = clips.get(line["pair"], str(line["pair"])), str(line["pair"]), int(line["seed"])
            found.setdefault((line["editor"], line["arm"], line["metric"]), {})[draw] = float(value)
        return found

    def values(self, editor: str, arm: str, metric: str) -> dict[str, float]:
        """One value for each clip: the mean over its prompts and seeds."""
        return by_clip(self.draws(editor, arm, metric))

    def draws(self, editor: str, arm: str, metric: str) -> dict[Draw, float]:
        """One value for each edit."""
        return self._values.get((editor, arm, metric), {})

    def matched(
        self, editor: str, arm: str, against: str, metric: str
    ) -> tuple[dict[str, float], dict[str, float]]:
        """Both arms' values for each clip, over the edits that both arms have."""
        return matched(self.draws(editor, arm, metric), self.draws(editor, against, metric))

    def compared(self, editor: str, arm: str, against: str, info: MetricInfo) -> Paired | None:
        """One arm minus another over the edits that both have; None when there is none."""
        key = editor, arm, against, info.name
        if key not in self._compared:
            first, second = self.matched(editor, arm, against, info.name)
            self._compared[key] = paired(first, second, lower_is_better=info.better == "lower")
        return self._compared[key]

    def seed_spread(self, editor: str, arm: str, against: str, metric: str) -> float | None:
        """How much the difference of two arms varies over the seeds of a pair; None for one seed."""
        return seed_spread(self.draws(editor, arm, metric), self.draws(editor, against, metric))

    @cached_property
    def _compared(self) -> dict[tuple[str, str, str, str], Paired | None]:
        return {}  # tables, figures and the page ask for the same comparisons

    def gains(self, editor: str, arm: str, info: MetricInfo) -> dict[str, float]:
        """For each pair how much better an arm is than none; of the first seed, whose edits are shown."""
        sign = -1 if info.better == "lower" else 1
        before = self.draws(editor, WITHOUT, info.name)
        return {
            draw[1]: sign * (value - before[draw])
            for draw, value in self.draws(editor, arm, info.name).items()
            if draw in before and draw[2] == self.seed
        }

    def reason(self, editor: str, arm: str, metric: str) -> str:
        """Why there is no value."""
        for line in self.scores:
            if (line["editor"], line["arm"], line["metric"]) == (editor, arm, metric):
                return line.get("reason") or "is not a number"
        return "not measured"

    @cached_property
    def rows(self) -> list[tuple[str, str]]:
        """Editors and arms in the order of their first lines, the references last."""
        seen = dict.fromkeys((line["editor"], line["arm"]) for line in self.scores)
        return sorted(seen, key=lambda row: row[0] == REFERENCE)

    @property
    def editors(self) -> list[str]:
        return list(dict.fromkeys(editor for editor, _ in self.rows if editor != REFERENCE))

    def arms(self, editor: str) -> list[str]:
        return [arm for name, arm in self.rows if name == editor]

    def shown_arm(self, editor: str) -> str | None:
        """The arm whose gains choose what is shown: the first with an adaptor."""
        return next((arm for arm in self.arms(editor) if arm != WITHOUT), None)

    def common(self, editor: str, metric: str) -> dict[str, dict[str, float]]:
        """For each arm that has the metric one value a clip, over the edits that all of them have."""
        draws = {arm: found for arm in self.arms(editor) if (found := self.draws(editor, arm, metric))}
        shared = set.intersection(*map(set, draws.values())) if draws else set[Draw]()
        return {
            arm: by_clip({draw: own[draw] for draw in own if draw in shared}) for arm, own in draws.items()
        }

    @cached_property
    def seed(self) -> int:
        """The first seed, whose edits are shown."""
        return min((cell["seed"] for cell in self.cells), default=0)

    @property
    def stand_ins(self) -> list[str]:
        """The Miniature's backbones, whose figures cannot be compared with published ones."""
        names = {info.backbone for info in self.metrics if info.backbone}
        return sorted(name for name in names if name.startswith("miniature"))
