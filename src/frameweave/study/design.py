"""What a study asks: pairs of videos, criteria, checks of attention, and how much each rater does."""

import hashlib
import json
from collections.abc import Sequence
from functools import cached_property
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, model_validator

from frameweave.errors import InputError
from frameweave.runs.records import Record
from frameweave.runs.settings import Count, NotNegative, Settings

CRITERIA = {
    "alignment": "Which video fits the text better?",
    "quality": "Which video has the better picture quality?",
    "consistency": "Which video is steadier from frame to frame?",
}
"""The paper's three criteria (Figure 3), as raters read them."""
Kind = Literal["pair", "obvious", "repeat"]
"""A pair that counts; a check with a known answer; a pair shown again with its sides swapped."""


FileName = Annotated[str, Field(pattern=r"^([A-Za-z0-9_-][A-Za-z0-9._-]*)?$")]
"""Of a file in the study's folder of videos: no path leads out of it."""


class Pair(Record):
    """Two edits of one clip by one prompt. An unknown field is refused: it may mean something else."""

    model_config = ConfigDict(extra="forbid")

    id: str
    editor: str
    clip: str
    prompt: str
    source: FileName
    """The clip before the edit; empty for videos made from text alone."""
    systems: tuple[str, str]
    """Who made them, e.g. without and with."""
    media: tuple[FileName, FileName]
    better: Literal[0, 1] | None = None
    """For an obvious pair, which of both is better."""


class Design(Settings):
    """A whole study, fixed before the first answer."""

    name: str
    seed: int
    pairs: tuple[Pair, ...]
    obvious: tuple[Pair, ...] = ()
    """Checks of attention."""
    criteria: tuple[str, ...] = tuple(CRITERIA)
    per_rater: Count = 20
    """How many pairs that count a rater sees."""
    per_pair: Count = 6
    """How many raters should see each pair."""
    obvious_per_rater: NotNegative = 2
    repeats_per_rater: NotNegative = 1
    no_preference: bool = False
    """Whether "no preference" may be answered."""
    consent: str = ""
    """What raters agree to; a default says what is stored."""
    fields: dict[str, str] = Field(default_factory=dict[str, str])
    """Where the videos come from: run folders and their settings' digests."""

    @model_validator(mode="after")
    def _makes_sense(self) -> "Design":
        if not self.pairs:
            raise InputError("a study without pairs", hint="give runs that hold two arms of the same clips")
        ids = [pair.id for pair in (*self.pairs, *self.obvious)]
        if len(set(ids)) < len(ids):
            raise InputError("two pairs have the same id", hint="build the study again")
        check_criteria(self.criteria)
        if self.obvious_per_rater and not self.obvious:
            raise InputError("checks of attention without an obvious pair", hint="give obvious_per_rater 0")
        return self

    @cached_property
    def _by_id(self) -> dict[str, Pair]:
        return {pair.id: pair for pair in (*self.pairs, *self.obvious)}

    def pair(self, name: str) -> Pair:
        """The pair or check of that id."""
        return self._by_id[name]

    @property
    def digest(self) -> str:
        """By which a database knows the design that its answers belong to."""
        values = self.model_dump(mode="json")
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def check_criteria(criteria: Sequence[str]) -> None:
    """Raise `InputError` for criteria that raters are never asked about, and for none."""
    if unknown := set(criteria) - CRITERIA.keys():
        raise InputError.unknown("criterion", min(unknown), list(CRITERIA))
    if not criteria or len(set(criteria)) < len(criteria):
        raise InputError(
            f"criteria {','.join(criteria) or 'empty'}, expected each once",
            hint=f"choose some of {', '.join(CRITERIA)}",
        )
