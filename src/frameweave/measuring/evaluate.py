"""Measure edited videos, whoever made them: one, a folder of some, or the lines of a table."""

import csv
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from frameweave.errors import FrameweaveError, InputError
from frameweave.measuring.backbones import backbones_of
from frameweave.measuring.evaluate_items import case_of, clip_of, items_of
from frameweave.measuring.evaluate_options import EvaluateOptions
from frameweave.measuring.experiments.measures import Measures, measures_on
from frameweave.measuring.metrics.base import measured
from frameweave.measuring.metrics.frechet import Estimate, features_of, few_samples
from frameweave.progress import SILENT, Progress
from frameweave.runs.atomic import staged
from frameweave.runs.ranges import COUNT, check_ranges
from frameweave.runs.run import Run


@dataclass(frozen=True, kw_only=True)
class Evaluated:
    """What came of it."""

    folder: Path
    means: dict[str, float]
    """Of each metric, by its title, over the videos that have it."""
    reasons: dict[str, str]
    """Why a metric has no mean."""
    failed: dict[str, str]
    """Videos that could not be measured, and why."""
    videos: int


def evaluate(edited: Path, options: EvaluateOptions, *, progress: Progress = SILENT) -> Evaluated:
    """Measure into the run folder `options.out`: scores.jsonl, scores.csv, metrics.json, pooled.jsonl.

    A video that cannot be measured stops none of the others. Raises `DataError` for a table that cannot be
    read, `InputError` when nothing is found or no frame is asked for.
    """
    check_ranges(options, {"frames": COUNT})
    items = list(items_of(edited, options))
    if not items:
        raise InputError(f"{edited}: nothing to measure in it", hint="give a table with lines below its head")
    backbones = backbones_of(options, "")
    measures = measures_on(backbones, world=False)
    if backbones.kind == "miniature":
        progress.note("the Miniature's networks measure, which know its world only; others: --backbones real")
    given = {"edited": str(edited.absolute()), "videos": len(items)}
    run = Run.planned(options.out, "evaluate", options, given=given, overwrite=options.overwrite).start()
    rows: list[dict[str, Any]] = []
    failed: dict[str, str] = {}
    sets: dict[str, tuple[list[Tensor], Tensor]] = {}
    for item in progress.track(items, "measuring videos"):
        try:
            case = case_of(item, options.frames, progress)
            rows += [
                {"video": item.name, "metric": score.metric, "value": score.value, "reason": score.reason}
                for score in measured(case, measures.each)
            ]
            if case.source is not None:
                features = [features_of(clip, measures.encoder) for clip in (case.edited, case.source)]
                sets.setdefault(clip_of(item), ([], features[1]))[0].append(features[0])
        except Exception as error:  # whatever it is, the other videos are measured
            known = isinstance(error, FrameweaveError | OSError)
            failed[item.name] = str(error) if known else f"{type(error).__name__}: {error}"
            progress.note(f"{item.name}: {failed[item.name]}")
    pooled = _pooled(measures, [(torch.cat(edited), source) for edited, source in sets.values()])
    _write(options.out, measures, rows, pooled)
    for warning in dict.fromkeys(row["warning"] for row in pooled if "warning" in row):
        progress.note(f"distances over all clips: {warning}")
    titles = {table["name"]: table["title"] for table in measures.described()}
    means: dict[str, float] = {}
    reasons: dict[str, str] = {}
    for metric in measures.each:
        values = [row["value"] for row in rows if row["metric"] == metric.name and row["value"] is not None]
        if values:
            means[metric.title] = sum(values) / len(values)
        else:
            own = [row["reason"] for row in rows if row["metric"] == metric.name]
            reasons[metric.title] = own[0] if own else "no video could be measured"
    means |= {titles[row["metric"]]: row["value"] for row in pooled}
    run.finish({"means": means, "failed": failed})
    return Evaluated(
        folder=options.out, means=means, reasons=reasons, failed=failed, videos=len(items) - len(failed)
    )


def _pooled(measures: Measures, sets: list[tuple[Tensor, Tensor]]) -> list[dict[str, Any]]:
    """Distances over all clips at once, when there are several; with a warning when their frames are few."""
    if len(sets) < 2:
        return []
    rows: list[dict[str, Any]] = []
    for kind, distance in measures.distances.items():
        found = Estimate.of(distance, sets)
        if math.isfinite(found.value):
            row = {"metric": f"{kind}_source", "value": found.value, "interval": found.interval}
            warning = few_samples([edited for edited, _ in sets])
            rows.append(row | {"clips": len(sets)} | ({"warning": warning} if warning else {}))
    return rows


def _write(
    folder: Path, measures: Measures, rows: list[dict[str, Any]], pooled: list[dict[str, Any]]
) -> None:
    for name, table in (("scores", rows), ("pooled", pooled)):
        with staged(folder / f"{name}.jsonl") as stage:
            stage.write_text("".join(json.dumps(row) + "\n" for row in table), encoding="utf-8")
    with staged(folder / "metrics.json") as stage:
        stage.write_text(json.dumps(measures.described(), indent=1), encoding="utf-8")
    with staged(folder / "scores.csv") as stage, stage.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, ["video", "metric", "value", "reason"], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
