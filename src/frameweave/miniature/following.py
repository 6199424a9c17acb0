"""Prompt-following in the Miniature's world: does an independent judge see what the prompt asks for?"""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from frameweave.metrics.base import Case, Need
from frameweave.miniature.encoders import JudgeTrunk
from frameweave.miniature.scene import ATTRIBUTES

ALL = "all"


@dataclass(frozen=True, eq=False)
class Following:
    """Share of frames whose object, colour, background or style is as wanted; or all four at once."""

    judge: JudgeTrunk
    attribute: str

    @property
    def name(self) -> str:
        return f"follows_{self.attribute}"

    @property
    def title(self) -> str:
        what = {"noun": "object", ALL: "all attributes"}.get(self.attribute, self.attribute)
        return f"Right {what} [{self.judge.id}]"

    @property
    def better(self) -> Literal["lower", "higher", "none"]:
        return "higher"

    @property
    def digits(self) -> int:
        return 3

    @property
    def definition(self) -> str:
        what = {"noun": "the object", ALL: "all four attributes"}.get(self.attribute, f"the {self.attribute}")
        return f"Share of frames in which the judge sees {what} that the prompt asks for."

    @property
    def backbone(self) -> str | None:
        return self.judge.id

    @property
    def needs(self) -> frozenset[Need]:
        return frozenset({"wanted"})

    def measure(self, case: Case) -> float:
        chances = _log_chances(case, self.judge)
        names = list(ATTRIBUTES) if self.attribute == ALL else [self.attribute]
        right = [chances[name].argmax(1) == _index(case, name) for name in names]
        return float(torch.stack(right).all(0).float().mean())


@dataclass(frozen=True, eq=False)
class LogChance:
    """How sure the judge is of all that is wanted; it still tells edits apart that are all right."""

    judge: JudgeTrunk

    @property
    def name(self) -> str:
        return "log_chance"

    @property
    def title(self) -> str:
        return f"Log-probability of the prompt [{self.judge.id}]"

    @property
    def better(self) -> Literal["lower", "higher", "none"]:
        return "higher"

    @property
    def digits(self) -> int:
        return 4

    @property
    def definition(self) -> str:
        return "The judge's log-probability of each wanted attribute, mean over attributes and frames."

    @property
    def backbone(self) -> str | None:
        return self.judge.id

    @property
    def needs(self) -> frozenset[Need]:
        return frozenset({"wanted"})

    def measure(self, case: Case) -> float:
        chances = _log_chances(case, self.judge)
        wanted = [chances[name][:, _index(case, name)].mean() for name in ATTRIBUTES]
        return float(torch.stack(wanted).mean())


def _log_chances(case: Case, judge: JudgeTrunk) -> dict[str, Float[Tensor, "F classes"]]:
    return case.edited.once(("judged", judge.id), judge.log_chances)


def _index(case: Case, name: str) -> int:
    assert case.wanted is not None
    return ATTRIBUTES[name].index(case.wanted[name])
