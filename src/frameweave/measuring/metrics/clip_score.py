"""How well pictures fit words, and each other, in the space of a CLIP model."""

from collections.abc import Iterator
from typing import Literal

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from frameweave.measuring.metrics.base import Case, Looked, Metric, Need
from frameweave.measuring.metrics.encoders import TextImage
from frameweave.measuring.metrics.registry import Networks

_ROUNDING = 1e-5  # by which unit vectors of the same frame may differ in another batch
Kind = Literal["score", "consistency", "directional"]
_KINDS: dict[Kind, tuple[int, str, frozenset[Need]]] = {
    "score": (30, "100 x cosine of frame and prompt, mean over frames, not clamped.", frozenset({"prompt"})),
    "consistency": (70, "Mean cosine of neighbouring frames.", frozenset({"neighbours"})),
    "directional": (
        150,
        "Cosine of the change from source to edited frame with that of the prompts, over the frames that "
        "change.",
        frozenset({"source", "prompt", "source prompt"}),
    ),
}
"""Place, definition and needs of each."""


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


def clip_metric(model: TextImage, kind: Kind) -> Metric:
    """Pictures against words, against their neighbours, or their change against the change of words."""

    def pictures(clip: Looked) -> Float[Tensor, "F D"]:
        return clip.once(("clip", model.id), model.pictures)

    def measure(case: Case) -> float:
        if kind == "score":
            return float(clip_score(pictures(case.edited), model.words(case.prompt)))
        if kind == "consistency":
            return float(clip_consistency(pictures(case.edited)))
        assert case.source is not None
        prompts = model.words(case.prompt), model.words(case.source_prompt)
        return float(clip_directional(pictures(case.edited), pictures(case.source), *prompts))

    place, definition, needs = _KINDS[kind]
    return Metric(
        name=f"clip_{kind}",
        title=f"CLIP {kind} [{model.id}]",
        better="higher",
        digits=2 if kind == "score" else 4,
        definition=definition,
        needs=needs,
        measure=measure,
        backbone=model.id,
        place=place,
        version=1 if kind == "consistency" else 2,
        headline=kind == "score",
        published=kind == "score",
    )


def metrics(networks: Networks) -> Iterator[Metric]:
    """All three."""
    return (clip_metric(networks.clip, kind) for kind in _KINDS)
