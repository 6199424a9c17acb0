"""How well pictures fit words, and each other, in the space of a CLIP model."""

from dataclasses import dataclass
from typing import Literal

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from frameweave.metrics.base import Case, Looked, Need
from frameweave.metrics.encoders import TextImage

_ROUNDING = 1e-5  # by which unit vectors of the same frame may differ in another batch
Kind = Literal["score", "consistency", "directional"]


def clip_score(pictures: Float[Tensor, "F D"], words: Float[Tensor, " D"]) -> Float[Tensor, ""]:
    """100 x cosine of each frame with the prompt, mean over frames; not clamped."""
    return 100 * (pictures @ words).mean()


def clip_consistency(pictures: Float[Tensor, "F D"]) -> Float[Tensor, ""]:
    """Mean cosine of neighbouring frames."""
    return (pictures[1:] * pictures[:-1]).sum(1).mean()


def clip_directional(
    edited: Float[Tensor, "F D"],
    source: Float[Tensor, "F D"],
    prompt: Float[Tensor, " D"],
    source_prompt: Float[Tensor, " D"],
) -> Float[Tensor, ""]:
    """Cosine of the change of the pictures with the change of the words, over the frames that change.

    NaN where nothing changes, in words or pictures: rounding has a direction too, but a meaningless one.
    """
    words, pictures = prompt - source_prompt, edited - source
    changed = pictures.norm(dim=1) > _ROUNDING
    if float(words.norm()) <= _ROUNDING or not changed.any():
        return words.sum() * float("nan")
    return F.cosine_similarity(pictures[changed], words[None], dim=1).mean()


@dataclass(frozen=True, eq=False)
class ClipScore:
    """Pictures against words, against their neighbours, or their change against the change of words."""

    model: TextImage
    kind: Kind

    @property
    def name(self) -> str:
        return f"clip_{self.kind}"

    @property
    def title(self) -> str:
        return f"CLIP {self.kind} [{self.model.id}]"

    @property
    def better(self) -> Literal["lower", "higher", "none"]:
        return "higher"

    @property
    def digits(self) -> int:
        return 2 if self.kind == "score" else 4

    @property
    def definition(self) -> str:
        return {
            "score": "100 x cosine of frame and prompt, mean over frames, not clamped.",
            "consistency": "Mean cosine of neighbouring frames.",
            "directional": "Cosine of the change from source to edited frame with that of the prompts.",
        }[self.kind]

    @property
    def backbone(self) -> str | None:
        return self.model.id

    @property
    def needs(self) -> frozenset[Need]:
        needs: dict[Kind, frozenset[Need]] = {
            "score": frozenset({"prompt"}),
            "consistency": frozenset({"neighbours"}),
            "directional": frozenset({"source", "prompt", "source prompt"}),
        }
        return needs[self.kind]

    def measure(self, case: Case) -> float:
        pictures = self._pictures(case.edited)
        if self.kind == "score":
            return float(clip_score(pictures, self.model.words(case.prompt)))
        if self.kind == "consistency":
            return float(clip_consistency(pictures))
        assert case.source is not None
        return float(
            clip_directional(
                pictures,
                self._pictures(case.source),
                self.model.words(case.prompt),
                self.model.words(case.source_prompt),
            )
        )

    def _pictures(self, clip: Looked) -> Float[Tensor, "F D"]:
        return clip.once(("clip", self.model.id), self.model.pictures)
