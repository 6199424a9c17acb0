"""An experiment's scores, tidy, and the questions that tables and figures ask of them."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from statistics import median

from frameweave.measuring.records import (
    REFERENCE,
    WITHOUT,
    CellLine,
    MetricInfo,
    PairLine,
    PooledLine,
    ScoreLine,
)
from frameweave.measuring.stats.paired import Draw, Paired, by_clip, matched, over_seeds, paired, seed_spread
from frameweave.models.text.syntax import spoken
from frameweave.runs.run_file import RunRecord

EditorArm = tuple[str, str]
"""An editor, and how the model is used in it."""
_STEADY = re.compile(r",steady(=|,|$)")
"""In the text of an arm, as `--arms` takes it."""


@dataclass(frozen=True, kw_only=True)
class RunInfo:
    """What the page says of the run."""

    command: str
    test_set: str = ""
    settings: Mapping[str, object] = field(default_factory=dict[str, object])
    environment: Mapping[str, object] = field(default_factory=dict[str, object])

    @classmethod
    def of(cls, run: RunRecord) -> "RunInfo":
        """From its run file."""
        return cls(
            command=run.command,
            test_set=str(run.input.get("test_set", "")),
            settings=run.settings,
            environment=run.environment,
        )


@dataclass(frozen=True, eq=False, kw_only=True)
class Results:
    """What one or several folders of an experiment hold; `read_results` makes it.

    `scores` has a line for each edit and metric, `pooled` one for each measure over all clips at once.
    """

    folder: Path
    """Where the paths of videos start."""
    run: RunInfo
    metrics: tuple[MetricInfo, ...] = ()
    pairs: tuple[PairLine, ...] = ()
    cells: tuple[CellLine, ...] = ()
    scores: tuple[ScoreLine, ...] = ()
    pooled: tuple[PooledLine, ...] = ()

    @cached_property
    def _values(self) -> Mapping[tuple[str, str, str], dict[Draw, float]]:
        clips = {pair.pair: pair.clip for pair in self.pairs}
        found: dict[tuple[str, str, str], dict[Draw, float]] = {}
        for line in self.scores:
            if line.value is not None and math.isfinite(line.value):
                draw = clips.get(line.pair, line.pair), line.pair, line.seed
                found.setdefault((line.editor, line.arm, line.metric), {})[draw] = line.value
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
        return self.compared_rows((editor, arm), (editor, against), info)

    def compared_rows(self, row: EditorArm, against: EditorArm, info: MetricInfo) -> Paired | None:
        """The same of any two, also of different editors."""
        key = row, against, info.name
        if key not in self._compared:
            both = matched(*self._beside(row, against, info.name))
            self._compared[key] = paired(*both, lower_is_better=info.better == "lower")
        return self._compared[key]

    def _beside(
        self, row: EditorArm, against: EditorArm, metric: str
    ) -> tuple[Mapping[Draw, float], Mapping[Draw, float]]:
        """The draws of two rows. A reference has no seeds: beside it, those of a pair count as one draw."""
        one, other = self.draws(*row, metric), self.draws(*against, metric)
        if (row[0] == REFERENCE) == (against[0] == REFERENCE):
            return one, other
        return over_seeds(one), over_seeds(other)

    def seed_spread(self, row: EditorArm, against: EditorArm, metric: str) -> float | None:
        """How much the difference of two rows varies over the seeds of a pair; None for one seed."""
        return seed_spread(self.draws(*row, metric), self.draws(*against, metric))

    @cached_property
    def _compared(self) -> dict[tuple[EditorArm, EditorArm, str], Paired | None]:
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
            if (line.editor, line.arm, line.metric) == (editor, arm, metric):
                return line.reason or "is not a number"
        return "not measured"

    @cached_property
    def rows(self) -> list[tuple[str, str]]:
        """Editors and arms in the order of their first lines, the references last."""
        seen = dict.fromkeys((line.editor, line.arm) for line in self.scores)
        return sorted(seen, key=lambda row: row[0] == REFERENCE)

    @property
    def editors(self) -> list[str]:
        return list(dict.fromkeys(editor for editor, _ in self.rows if editor != REFERENCE))

    def arms(self, editor: str) -> list[str]:
        return [arm for name, arm in self.rows if name == editor]

    def shown_arm(self, editor: str) -> str | None:
        """The arm whose gains choose what is shown: the first with an adaptor."""
        return next((arm for arm in self.arms(editor) if arm != WITHOUT), None)

    @cached_property
    def steadied(self) -> frozenset[str]:
        """The arms whose results were made steadier afterwards, as the settings of the runs name them."""
        asked = [value for name, value in self.run.settings.items() if name.rpartition(": ")[2] == "arms"]
        texts = [str(text) for value in asked if isinstance(value, list | tuple) for text in value]  # pyright: ignore[reportUnknownVariableType]
        return frozenset(text.partition("=")[0] for text in texts if _STEADY.search(text))

    def common(self, editor: str, metric: str) -> dict[str, dict[str, float]]:
        """For each arm that has the metric one value a clip, over the edits that all of them have."""
        draws = {arm: found for arm in self.arms(editor) if (found := self.draws(editor, arm, metric))}
        shared = set.intersection(*map(set, draws.values())) if draws else set[Draw]()
        return {
            arm: by_clip({draw: own[draw] for draw in own if draw in shared}) for arm, own in draws.items()
        }

    def seconds_per_frame(self, editor: str, arm: str) -> float | None:
        """The median over edits, with the inversion that was known from another edit, if any.

        Earlier runs did not note what that took: of these only edits with inversions of their own count.
        """
        own = [cell for cell in self.cells if (cell.editor, cell.arm) == (editor, arm)]
        timed = [
            (cell.seconds + (cell.inversion_seconds or 0.0)) / cell.frames
            for cell in own
            if cell.seconds is not None
            and cell.frames
            and (cell.inversion_seconds is not None or not cell.inversion_recalled)
        ]
        return median(timed) if timed else None

    @cached_property
    def seed(self) -> int:
        """The first seed, whose edits are shown."""
        return min((cell.seed for cell in self.cells), default=0)

    @cached_property
    def videos(self) -> dict[tuple[str, str], dict[str, str]]:
        """For each editor and pair the edits of the first seed by arm: their videos' paths."""
        found: dict[tuple[str, str], dict[str, str]] = {}
        for cell in self.cells:
            if cell.video and cell.seed == self.seed and cell.editor != REFERENCE:
                found.setdefault((cell.editor, cell.pair), {})[cell.arm] = cell.video
        return found

    def said(self, text: str) -> str:
        """What a prompt of the run says: without the weights in it, unless it was read as it is written."""
        return spoken(text, str(self.run.settings.get("prompt_syntax", "a1111")))

    @property
    def stand_ins(self) -> list[str]:
        """The Miniature's backbones, whose figures cannot be compared with published ones."""
        names = {info.backbone for info in self.metrics if info.backbone}
        return sorted(name for name in names if name.startswith("miniature"))
