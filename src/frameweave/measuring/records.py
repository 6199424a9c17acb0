"""What the files of an experiment say: `gather` writes them, reports and studies read them.

`metrics.json` says what each metric is; `pairs.jsonl` has a line for each clip with its prompt,
`cells.jsonl` for each edit, `scores.jsonl` for each score of an edit, `pooled.jsonl` for each measure that
is taken over all clips at once, `sweep.jsonl` for each pair of windows where arms differ in theirs, and
`tuning.jsonl` for each trial of `tune`.
"""

import math
from typing import Annotated, Literal

from pydantic import BeforeValidator, ConfigDict, Field

from frameweave.runs.records import Record

REFERENCE = "reference"
"""What stands for the editor in the rows that are no edits."""
WITHOUT, WITH = "without", "with"
"""The arms that every grid and every ablation has."""

Value = Annotated[float, Field(strict=True)]
Better = Literal["lower", "higher", "none"]


class MetricInfo(Record):
    """What a table says about a metric. An unknown field is refused: it may mean something else."""

    model_config = ConfigDict(extra="forbid")

    better: Better
    name: str
    title: str
    digits: int
    family: Literal["headline", "other"]
    """Tests of headline metrics are corrected for their number; the others are for exploring."""
    definition: str
    backbone: str | None = None
    published: bool = False
    version: int = 1
    """See `Metric.version`."""

    @property
    def arrow(self) -> str:
        return {"lower": "↓", "higher": "↑", "none": ""}[self.better]

    @property
    def short(self) -> str:
        """The title without the networks behind it."""
        return self.title.split(" [")[0]

    @property
    def head(self) -> str:
        """The title with the direction in which it is better."""
        return f"{self.title} {self.arrow}".strip()


class PairLine(Record):
    """A clip with a prompt."""

    pair: str
    clip: str
    """Several prompts for one clip share it."""
    prompt: str
    source_prompt: str = ""
    about: dict[str, str] = Field(default_factory=dict[str, str])
    """What to say about it, e.g. which attribute is changed."""
    made_of: str = ""
    """A digest that tells it from another pair of that name."""
    source: str | None = None
    """Its video, from the run folder, as of all others."""
    truth: str | None = None


class EditLine(Record):
    """What tells an edit from the others of its experiment."""

    pair: str
    seed: int = 0
    editor: str
    arm: str


class Cost(Record):
    """What an edit took."""

    seconds: float | None = None
    inversion_recalled: bool = False
    inversion_seconds: float | None = None
    """What inversions took that were known, where they were made."""
    memory_gb: float | None = None
    frames: int | None = None
    """How many the edited clip has."""


class CellLine(Cost, EditLine):
    """An edit, or why there is none."""

    video: str | None = None
    error: str = ""


class Score(Record):
    """A metric's value for one clip, or the reason why there is none."""

    metric: str
    value: Value | None
    reason: str = ""


class ScoreLine(Score, EditLine):
    """A metric's value for an edit, or the reason why there is none."""


def _finite(value: object) -> object:
    """An interval without an end that is no number is none."""
    if not isinstance(value, list | tuple):
        return value
    ends: list[object] = list(value)  # pyright: ignore[reportUnknownArgumentType]
    return ends if all(isinstance(end, int | float) and math.isfinite(end) for end in ends) else None


class Pooled(Record):
    """A distance over all clips at once."""

    metric: str
    value: Value | None
    interval: Annotated[tuple[float, float] | None, BeforeValidator(_finite)] = None
    warning: str = ""


class PooledLine(Pooled):
    """A distance over all clips of an arm, or its difference to that of the arm `against`."""

    editor: str
    arm: str
    n: int = 0
    """Frames."""
    against: str = ""


class SweepLine(Record):
    """What an adaptor changes that was trained in one window and acts in another, in shares of T."""

    train: tuple[float, float]
    inference: tuple[float, float]
    metric: str
    value: float | None


class LossLine(Record):
    """A step of a training, from its log."""

    stage: str
    step: int
    noise: float | None = None
    temporal: float | None = None
    held_out_noise: float | None = None
    held_out_temporal: float | None = None
    held_out_noise_without: float | None = None
    held_out_temporal_without: float | None = None
