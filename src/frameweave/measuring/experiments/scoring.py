"""Scores of cells on the disk: one file a cell, made anew when the metrics are others."""

import json
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor

from frameweave.measuring.experiments.cells import read_frames
from frameweave.measuring.experiments.measures import Measures
from frameweave.measuring.experiments.pairs import Pair
from frameweave.measuring.metrics.base import Case, Looked, measured
from frameweave.measuring.metrics.frechet import features_of
from frameweave.runs.atomic import staged


def case_of(edited: Looked, pair: Pair) -> Case:
    """What is known about an edit of a pair."""
    return Case(
        edited=edited,
        source=pair.seen_source,
        truth=pair.seen_truth,
        prompt=pair.prompt,
        source_prompt=pair.source_prompt,
        wanted=pair.wanted,
        mask=pair.mask,
        object=pair.object,
        flow=pair.flow,
        visible=pair.visible,
    )


def score_cell(cell: Path, pair: Pair, target: Path, measures: Measures) -> None:
    """Measure a finished cell, unless it is measured: `target`.json, and features in `target`.safetensors."""
    if is_scored(target, measures):
        return
    case = case_of(Looked(read_frames(cell)), pair)
    scores = measured(case, measures.each)
    features: dict[str, Tensor] = {"edited": features_of(case.edited, measures.encoder)}
    for name, clip in (("source", case.source), ("truth", case.truth)):
        if clip is not None:
            features[name] = features_of(clip, measures.encoder)
    with staged(_features(target)) as stage:
        save_file(features, stage)
    rows = [
        {"metric": score.metric, "value": score.value} | ({"reason": score.reason} if score.reason else {})
        for score in scores
    ]
    with staged(_scores(target)) as stage:
        stage.write_text(json.dumps({"metrics": measures.digest, "scores": rows}), encoding="utf-8")


def is_scored(target: Path, measures: Measures) -> bool:
    """Whether the cell was measured with these metrics."""
    try:
        return json.loads(_scores(target).read_text(encoding="utf-8"))["metrics"] == measures.digest
    except (OSError, ValueError, KeyError):
        return False


def read_scores(target: Path) -> list[dict[str, Any]]:
    """The lines of a measured cell."""
    return json.loads(_scores(target).read_text(encoding="utf-8"))["scores"]


def note_failure(target: Path, reason: str) -> None:
    """Keep why a cell could not be made or measured, for whoever gathers."""
    with staged(_failure(target)) as stage:
        stage.write_text(reason, encoding="utf-8")


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
