"""Scores of cells on the disk: one file a cell, to which metrics that are new are added."""

from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from frameweave.measuring.experiments.cells import read_frames
from frameweave.measuring.experiments.measures import Measures
from frameweave.measuring.experiments.pairs import Pair
from frameweave.measuring.metrics.base import Case, Looked, measured
from frameweave.measuring.metrics.frechet import features_of
from frameweave.measuring.records import Score
from frameweave.models.text.syntax import spoken
from frameweave.runs.atomic import staged, write_text
from frameweave.runs.records import Record


def case_of(edited: Looked, pair: Pair) -> Case:
    """What is known about an edit of a pair."""
    return Case(
        edited=edited,
        source=pair.seen_source,
        truth=pair.seen_truth,
        prompt=spoken(pair.prompt, pair.syntax),  # weights are no words
        source_prompt=spoken(pair.source_prompt, pair.syntax),
        wanted=pair.wanted,
        mask=pair.mask,
        object=pair.object,
        flow=pair.flow,
        visible=pair.visible,
    )


class KeptScore(Score):
    """A score on the disk, and the key of the metric that gave it."""

    key: str


class KeptScores(Record):
    """What is kept of a measured cell; its features lie beside it."""

    encoder: str
    """Whose features they are."""
    scores: tuple[KeptScore, ...]


def score_cell(cell: Path, pair: Pair, target: Path, measures: Measures) -> None:
    """Measure what is not measured yet of a finished cell: `target`.json, and features in .safetensors."""
    kept = _kept(target)
    known = {} if kept is None else {score.key: score for score in kept.scores}
    missing = [metric for metric in measures.each if metric.key not in known]
    same_encoder = kept is not None and kept.encoder == measures.encoder.id
    if same_encoder and not missing:
        return
    case = case_of(Looked(read_frames(cell)), pair)
    if not same_encoder:
        features = {"edited": features_of(case.edited, measures.encoder)}
        for name, clip in (("source", case.source), ("truth", case.truth)):
            if clip is not None:
                features[name] = features_of(clip, measures.encoder)
        with staged(_features(target)) as stage:
            save_file(features, stage)
    for metric, score in zip(missing, measured(case, missing), strict=True):
        known[metric.key] = KeptScore(key=metric.key, **score.model_dump(exclude_unset=True))
    scores = KeptScores(encoder=measures.encoder.id, scores=tuple(known.values()))
    write_text(_scores(target), scores.as_json())


def read_scores(target: Path, measures: Measures) -> list[KeptScore] | None:
    """A score for each metric, in order; None unless the cell was measured with all of them."""
    kept = _kept(target)
    if kept is None or kept.encoder != measures.encoder.id:
        return None
    known = {score.key: score for score in kept.scores}
    found = [known[metric.key] for metric in measures.each if metric.key in known]
    return found if len(found) == len(measures.each) else None


def _kept(target: Path) -> KeptScores | None:
    """What is kept; nothing when it, or the features beside it, were damaged: both are made anew."""
    try:
        with safe_open(_features(target), "pt"):  # looks whether the file has its whole length
            return KeptScores.model_validate_json(_scores(target).read_bytes())
    except (OSError, ValueError, SafetensorError):
        return None


def note_failure(target: Path, reason: str) -> None:
    """Keep why a cell could not be made or measured, for whoever gathers."""
    write_text(_failure(target), reason)


def failure_of(target: Path) -> str | None:
    """Why a cell failed when it was last tried, if it did."""
    return _failure(target).read_text(encoding="utf-8") if _failure(target).is_file() else None


def read_features(target: Path) -> dict[str, Tensor]:
    """The features of a measured cell: edited, source, and perhaps truth; one vector a frame."""
    return load_file(_features(target))


def _scores(target: Path) -> Path:
    return target.with_name(f"{target.name}.json")


def _failure(target: Path) -> Path:
    return target.with_name(f"{target.name}.failed.txt")


def _features(target: Path) -> Path:
    return target.with_name(f"{target.name}.safetensors")
