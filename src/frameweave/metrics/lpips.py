"""LPIPS (Zhang et al. 2018): differences of unit-length channel vectors at the stages of a trunk.

The published tables' "LPIPS" is taken between neighbouring frames of the edited clip: a measure of
smoothness in time, not of distance to the source. Both have names of their own here.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from frameweave.metrics.base import Case, Looked, Need
from frameweave.metrics.encoders import Trunk

_EPSILON = 1e-10  # as in the published program: a zero vector stays zero

Against = Literal["neighbours", "source", "truth"]


def unit(stage: Float[Tensor, "F C h w"]) -> Float[Tensor, "F C h w"]:
    """Channel vectors of length 1."""
    return stage / (stage.square().sum(1, keepdim=True).sqrt() + _EPSILON)


def lpips(
    a: list[Float[Tensor, "F _ _ _"]],
    b: list[Float[Tensor, "F _ _ _"]],
    weights: list[Float[Tensor, " _"]] | None = None,
) -> Float[Tensor, " F"]:
    """Distance of each frame from the other clip's, from the unit-length stages of both (see `unit`).

    Weighted sum of squared differences over the channels, mean over the pixels, sum over the stages.
    """
    total = torch.zeros(len(a[0]), device=a[0].device)
    for number, (x, y) in enumerate(zip(a, b, strict=True)):
        squares = (x - y).square()
        if weights is not None:
            squares = squares * weights[number].to(squares).view(1, -1, 1, 1)
        total = total + squares.sum(1).mean((1, 2)).float()
    return total


@dataclass(frozen=True, eq=False)
class Lpips:
    """LPIPS of an edited clip against its own next frames, the source, or the true edit."""

    trunk: Trunk
    against: Against

    @property
    def name(self) -> str:
        return {"neighbours": "lpips_consecutive", "source": "lpips_source", "truth": "lpips_truth"}[
            self.against
        ]

    @property
    def title(self) -> str:
        words = {"neighbours": "consecutive", "source": "to source", "truth": "to true edit"}
        return f"LPIPS {words[self.against]} [{self.trunk.id}]"

    @property
    def better(self) -> Literal["lower", "higher", "none"]:
        return "none" if self.against == "source" else "lower"

    @property
    def digits(self) -> int:
        return 4

    @property
    def definition(self) -> str:
        what = {
            "neighbours": "neighbouring frames of the edited clip, which the published tables call LPIPS",
            "source": "the edited and the source frame",
            "truth": "the edited frame and that of the true edit",
        }
        return f"Mean LPIPS between {what[self.against]}."

    @property
    def backbone(self) -> str | None:
        return self.trunk.id

    @property
    def needs(self) -> frozenset[Need]:
        return frozenset({self.against})

    def measure(self, case: Case) -> float:
        stages = self._stages(case.edited)
        if self.against == "neighbours":
            a, b = [stage[:-1] for stage in stages], [stage[1:] for stage in stages]
        else:
            other = case.source if self.against == "source" else case.truth
            assert other is not None
            a, b = stages, self._stages(other)
        return float(lpips(a, b, self.trunk.weights).mean())

    def _stages(self, clip: Looked) -> list[Float[Tensor, "F _ _ _"]]:
        return clip.once(
            ("lpips", self.trunk.id), lambda frames: [unit(stage) for stage in self.trunk.stages(frames)]
        )
