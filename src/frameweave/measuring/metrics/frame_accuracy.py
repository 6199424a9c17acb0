"""Frame accuracy: in how many frames the edit has won over the source."""

from collections.abc import Iterator

from jaxtyping import Float
from torch import Tensor

from frameweave.measuring.metrics.base import Case, Metric
from frameweave.measuring.metrics.encoders import TextImage
from frameweave.measuring.metrics.registry import Networks


def frame_accuracy(
    pictures: Float[Tensor, "F D"], prompt: Float[Tensor, " D"], source_prompt: Float[Tensor, " D"]
) -> float:
    """Share of the frames that are nearer to the prompt than to the source's prompt."""
    return float((pictures @ prompt > pictures @ source_prompt).float().mean())


def frame_accuracy_metric(model: TextImage) -> Metric:
    """By a CLIP model. NaN where both prompts are one to it: no frame can be nearer to either."""

    def measure(case: Case) -> float:
        prompt, source_prompt = model.words(case.prompt), model.words(case.source_prompt)
        if bool((prompt == source_prompt).all()):
            return float("nan")
        pictures = case.edited.once(("clip", model.id), model.pictures)
        return frame_accuracy(pictures, prompt, source_prompt)

    return Metric(
        name="frame_accuracy",
        title=f"Frame accuracy [{model.id}]",
        better="higher",
        digits=3,
        definition="Share of the frames that are nearer to the prompt than to the source's prompt.",
        needs=frozenset({"prompt", "source prompt"}),
        measure=measure,
        backbone=model.id,
        version=2,
        place=72,
    )


def metrics(networks: Networks) -> Iterator[Metric]:
    """The one measure."""
    yield frame_accuracy_metric(networks.clip)
