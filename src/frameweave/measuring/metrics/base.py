"""What a metric is, what it is told of an edit, and how a missing need becomes a reason."""

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from jaxtyping import Bool, Float
from torch import Tensor

from frameweave.errors import InputError, in_one_line
from frameweave.measuring.keys import key_of
from frameweave.measuring.records import Better, MetricInfo, Score
from frameweave.models.memory import is_out_of_memory

Frames = Float[Tensor, "F 3 H W"]
Need = Literal["source", "truth", "prompt", "source prompt", "mask", "object", "flow", "wanted", "neighbours"]
T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Looked:
    """The frames of a clip, in [0, 1], with what encoders saw in them: each looks once."""

    frames: Frames
    _seen: dict[Hashable, Any] = field(default_factory=dict[Hashable, Any], repr=False)

    def __len__(self) -> int:
        return len(self.frames)

    def like(self, other: "Looked | None") -> "Looked":
        """The other one, with what was seen in it already, where it has the same frames."""
        if other is None or self.frames.shape != other.frames.shape:
            return self
        return other if bool((self.frames == other.frames).all()) else self

    def once(self, name: Hashable, look: Callable[[Frames], T]) -> T:
        """What `look` says of the frames; the same name is asked for only once."""
        if name not in self._seen:
            self._seen[name] = look(self.frames)
        return self._seen[name]


@dataclass(frozen=True, eq=False, kw_only=True)
class Case:
    """One edited clip and whatever is known about the edit.

    Raises `InputError` when source or truth have another size or length than the edited clip.
    """

    edited: Looked
    source: Looked | None = None
    truth: Looked | None = None
    """What a perfect edit would give."""
    prompt: str = ""
    source_prompt: str = ""
    wanted: dict[str, str] | None = None
    """The attributes that should be seen, in the words of the Miniature's world."""
    mask: Float[Tensor, "F 1 H W"] | None = None
    """1 where the edit may change pixels."""
    object: Float[Tensor, "F 1 H W"] | None = None
    """1 where the true edit shows its object."""
    flow: Float[Tensor, "F_minus_1 2 H W"] | None = None
    """How far the source's content moves until the next frame, in pixels, x to the right and y down."""
    visible: Bool[Tensor, "F_minus_1 1 H W"] | None = None
    """Where that content is still seen in the next frame."""

    def __post_init__(self) -> None:
        for name, other in (("source", self.source), ("true edit", self.truth)):
            if other is not None and other.frames.shape != self.edited.frames.shape:
                raise InputError(
                    f"the {name} has {_size(other)}, the edited clip {_size(self.edited)}",
                    hint="bring both to one size and length first",
                )

    def lacks(self, need: Need) -> bool:
        """Whether this is not known, or not there."""
        if need == "neighbours":
            return len(self.edited) < 2
        if need == "mask":
            return self.mask is None or bool((self.mask > 0.5).all())
        if need == "object":
            return self.object is None
        if need == "flow":
            return self.flow is None and self.source is None
        return not {
            "source": self.source,
            "truth": self.truth,
            "prompt": self.prompt,
            "source prompt": self.source_prompt,
            "wanted": self.wanted,
        }[need]


REASONS: dict[Need, str] = {
    "source": "needs a source",
    "truth": "needs the true edit",
    "prompt": "needs a prompt",
    "source prompt": "needs the source's prompt",
    "mask": "needs a mask with something outside",
    "object": "needs to know where the true edit's object is",
    "flow": "needs a source or its flow",
    "wanted": "needs the wanted attributes",
    "neighbours": "needs two frames",
}
"""Why a metric has no value where that is not there."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Metric:
    """A measure of one edited clip."""

    name: str
    """For files, e.g. lpips_consecutive."""
    title: str
    """For people; a backbone stands in it in brackets, e.g. "CLIP score [miniature-clip]"."""
    better: Better
    digits: int
    """Behind the point, where it is printed."""
    definition: str
    """One sentence."""
    needs: frozenset[Need]
    measure: Callable[[Case], float]
    """The value; all its needs are there."""
    backbone: str | None = None
    """What tells the weights behind it from others."""
    parameters: str = ""
    """What else its value depends on, e.g. where the flow comes from."""
    lacks: str = ""
    """Why it has no value on any clip, such as a network that is not named."""
    version: int = 1
    """Raised when the same name gives other values: kept scores of an earlier one are measured again."""
    place: int = 1000
    """Where its column stands among the others."""
    headline: bool = False
    """Whether its tests are corrected for their number; the others are for exploring."""
    published: bool = False
    """Whether its definition is among the nearest to those of the published tables."""

    @property
    def info(self) -> MetricInfo:
        """What the tables say about it."""
        return MetricInfo(
            name=self.name,
            title=self.title,
            better=self.better,
            digits=self.digits,
            family="headline" if self.headline else "other",
            published=self.published,
            backbone=self.backbone,
            version=self.version,
            definition=self.definition,
        )

    @property
    def key(self) -> str:
        """Tells its values from those of others: made of what they depend on, and of no words for people."""
        return key_of(self.name, self.version, self.backbone, self.parameters)


def measured(case: Case, metrics: Sequence[Metric]) -> list[Score]:
    """Every metric of one edited clip, in order.

    What a metric lacks, an error in it, or a value that is no finite number gives a reason in place of its
    value; the others are measured. Only a lack of memory is raised: another time there may be enough.
    """
    return [_score(case, metric) for metric in metrics]


def _score(case: Case, metric: Metric) -> Score:
    if metric.lacks:
        return Score(metric=metric.name, value=None, reason=metric.lacks)
    try:
        for need in sorted(metric.needs):
            if case.lacks(need):
                return Score(metric=metric.name, value=None, reason=REASONS[need])
        value = metric.measure(case)
        if not math.isfinite(value):
            return Score(metric=metric.name, value=None, reason=f"came out as {value}")
    except Exception as error:  # whatever it is, the other metrics are measured
        if isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and is_out_of_memory(error)):
            raise
        return Score(metric=metric.name, value=None, reason=in_one_line(error))
    return Score(metric=metric.name, value=value)


def _size(clip: Looked) -> str:
    return f"{len(clip)} frames of {clip.frames.shape[3]} x {clip.frames.shape[2]}"
