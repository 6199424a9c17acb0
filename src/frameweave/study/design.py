"""What a study asks: pairs of videos, criteria, checks of attention, and how much each rater does."""

import hashlib
import json
from functools import cached_property
from typing import Literal

from pydantic import Field, model_validator

from frameweave.errors import InputError
from frameweave.runs.settings import Settings

CRITERIA = {
    "alignment": "Which video fits the text better?",
    "quality": "Which video has the better picture quality?",
    "consistency": "Which video is steadier from frame to frame?",
}
"""The paper's three criteria (Figure 3), as raters read them."""
Kind = Literal["pair", "obvious", "repeat"]
"""A pair that counts; a check with a known answer; a pair shown again with its sides swapped."""


class Pair(Settings):
    """Two edits of one clip by one prompt. Media are names of files in the study's folder."""

    id: str
    editor: str
    clip: str
    prompt: str
    source: str
    """The clip before the edit; empty for videos made from text alone."""
    systems: tuple[str, str]
    """Who made them, e.g. without and with."""
    media: tuple[str, str]
    better: int | None = None
    """For an obvious pair, which of both is better."""


class Design(Settings):
    """A whole study, fixed before the first answer."""

    name: str
    seed: int
    pairs: tuple[Pair, ...]
    obvious: tuple[Pair, ...] = ()
    """Checks of attention."""
    criteria: tuple[str, ...] = tuple(CRITERIA)
    per_rater: int = 20
    """How many pairs that count a rater sees."""
    per_pair: int = 6
    """How many raters should see each pair."""
    obvious_per_rater: int = 2
    repeats_per_rater: int = 1
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
        check_counts(per_rater=self.per_rater, per_pair=self.per_pair)
        ids = [pair.id for pair in (*self.pairs, *self.obvious)]
        if len(set(ids)) < len(ids):
            raise InputError("two pairs have the same id", hint="build the study again")
        if unknown := set(self.criteria) - CRITERIA.keys():
            raise InputError.unknown("criterion", min(unknown), list(CRITERIA))
        if not self.criteria:
            raise InputError("no criteria to ask for", hint=f"choose some of {', '.join(CRITERIA)}")
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


def check_counts(*, per_rater: int, per_pair: int) -> None:
    """Raise `InputError` unless a rater sees at least one pair, and a pair has at least one rater."""
    for name, count, usual in (("per_rater", per_rater, 20), ("per_pair", per_pair, 6)):
        if count < 1:
            raise InputError(f"{name} {count}, expected at least 1", hint=f"{usual} is usual")
