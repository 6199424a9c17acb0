"""Prompt-following in the Miniature's world: does an independent judge see what the prompt asks for?"""

from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor

from frameweave.measuring.metrics.base import Case, Metric
from frameweave.measuring.metrics.miniature_encoders import JudgeTrunk
from frameweave.measuring.metrics.registry import Networks
from frameweave.world.scene import ATTRIBUTES, WORDS

ALL = "all"


def following_metric(judge: JudgeTrunk, attribute: str) -> Metric:
    """Share of frames whose object, colour, background or style is as wanted; or all four at once."""

    def measure(case: Case) -> float:
        chances = _log_chances(case, judge)
        names = list(ATTRIBUTES) if attribute == ALL else [attribute]
        right = [chances[name].argmax(1) == _index(case, name) for name in names]
        return float(torch.stack(right).all(0).float().mean())

    what = {"noun": "object", ALL: "all attributes"}.get(attribute, attribute)
    seen = {"noun": "the object", ALL: "all four attributes"}.get(attribute, f"the {attribute}")
    return Metric(
        name=f"follows_{attribute}",
        title=f"Right {what} [{judge.id}]",
        better="higher",
        digits=3,
        definition=f"Share of frames in which the judge sees {seen} that the prompt asks for.",
        needs=frozenset({"wanted"}),
        measure=measure,
        backbone=judge.id,
        place=40 if attribute == ALL else 80,
        headline=attribute == ALL,
    )


def log_chance_metric(judge: JudgeTrunk) -> Metric:
    """How sure the judge is of all that is wanted; it still tells edits apart that are all right."""

    def measure(case: Case) -> float:
        chances = _log_chances(case, judge)
        wanted = [chances[name][:, _index(case, name)].mean() for name in ATTRIBUTES]
        return float(torch.stack(wanted).mean())

    return Metric(
        name="log_chance",
        title=f"Log-probability of the prompt [{judge.id}]",
        better="higher",
        digits=4,
        definition="The judge's log-probability of each wanted attribute, mean over attributes and frames.",
        needs=frozenset({"wanted"}),
        measure=measure,
        backbone=judge.id,
        place=90,
    )


def metrics(networks: Networks) -> Iterator[Metric]:
    """What the judge says, where clips show the world."""
    if networks.judge is not None:
        for attribute in (ALL, *ATTRIBUTES):
            yield following_metric(networks.judge, attribute)
        yield log_chance_metric(networks.judge)


def _log_chances(case: Case, judge: JudgeTrunk) -> dict[str, Float[Tensor, "F classes"]]:
    return case.edited.once(("judged", judge.id), judge.log_chances)


def _index(case: Case, name: str) -> int:
    assert case.wanted is not None
    return WORDS[name].index(case.wanted[name])
