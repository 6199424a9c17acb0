"""PickScore (Kirstain et al. 2023): a CLIP model that was trained on people's choices among pictures."""

from collections.abc import Iterator

from frameweave.measuring.metrics.base import Case, Metric
from frameweave.measuring.metrics.encoders import Preference, id_of, lack_of
from frameweave.measuring.metrics.registry import Networks

MODEL = "yuvalkirstain/PickScore_v1"
"""The published one."""


def pick_score_metric(model: Preference | None) -> Metric:
    """The scaled cosine of frame and prompt, mean over frames."""

    def measure(case: Case) -> float:
        assert model is not None
        pictures = case.edited.once(("pick", model.id), model.pictures)
        return model.scale * float((pictures @ model.words(case.prompt)).mean())

    return Metric(
        name="pick_score",
        title=f"PickScore [{id_of(model)}]",
        better="higher",
        digits=3,
        definition="Cosine of frame and prompt in a model of people's preferences, times the model's own "
        "scale, mean over frames.",
        needs=frozenset({"prompt"}),
        measure=measure,
        backbone=None if model is None else model.id,
        lacks=lack_of(model, "--pick-model", MODEL),
        version=2,
        place=74,
    )


def metrics(networks: Networks) -> Iterator[Metric]:
    """The one measure."""
    yield pick_score_metric(networks.pick)
