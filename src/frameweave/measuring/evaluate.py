"""Measure edited videos, whoever made them: one, a folder of some, or the lines of a table."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from frameweave.errors import InputError, in_one_line
from frameweave.measuring.benchmarks.run import benchmark
from frameweave.measuring.evaluate_items import Item, case_of, clip_of, inputs_of, items_of
from frameweave.measuring.experiments.measures import DISTANCES, STAND_INS, Backbones, Measures
from frameweave.measuring.metrics.base import Case, Looked, measured
from frameweave.measuring.metrics.frechet import Estimate, features_of, few_samples
from frameweave.measuring.options import EvaluateOptions
from frameweave.measuring.records import Pooled, Score
from frameweave.measuring.video_scores import Evaluated, each_measured, evaluating
from frameweave.models.text.syntax import spoken
from frameweave.progress import SILENT, Progress
from frameweave.runs.records import write_lines
from frameweave.runs.run import Run


class PooledScore(Pooled):
    """A distance over all videos at once."""

    clips: int


def evaluate(edited: Path, options: EvaluateOptions, *, progress: Progress = SILENT) -> Evaluated:
    """Measure into the run folder `options.out`: scores.jsonl, scores.csv, metrics.json, pooled.jsonl.

    With a benchmark its edits are measured as it does: see `benchmarks.run`. A video that cannot be measured
    stops none of the others. Raises `DataError` for a table that cannot be
    read, `InputError` when nothing is found or no frame is asked for, `RunError` when the folder holds
    another run, also one of files that have changed since.
    """
    if options.benchmark is not None:
        return benchmark(edited, options, progress=progress)
    if options.benchmark_data is not None:
        raise InputError("--benchmark-data without --benchmark", hint="name it, e.g. --benchmark v2vbench")
    items = list(items_of(edited, options))
    if not items:
        raise InputError(f"{edited}: nothing to measure in it", hint="give a table with lines below its head")
    backbones = Backbones.asked(options)
    measures = backbones.measures()
    if backbones.kind == "miniature":
        progress.note(STAND_INS)
    measures.tell_unseen((text for item in items for text in _texts(item)), progress)
    given = {"videos": len(items), **inputs_of(edited, items, options)}
    with evaluating(options, given, "scores.jsonl", "pooled.jsonl", "metrics.json", "scores.csv") as run:
        return _evaluated(run, items, measures, options, progress)


def _evaluated(
    run: Run, items: Sequence[Item], measures: Measures, options: EvaluateOptions, progress: Progress
) -> Evaluated:
    sets: dict[str, tuple[list[Tensor], Tensor]] = {}
    source: Looked | None = None  # several edits of one clip may follow each other

    def scores(item: Item) -> Iterator[Score]:
        nonlocal source
        case = case_of(item, options.frames, progress)
        source = None if case.source is None else case.source.like(source)
        case = replace(case, source=source)
        yield from measured(case, measures.each)
        if (features := _features(item, case, measures, progress)) is not None:
            sets.setdefault(clip_of(item), ([], features[1]))[0].append(features[0])

    infos, tracked = measures.described(), progress.track(items, "measuring videos")
    lines, failed = each_measured(tracked, scores, options.out, infos, progress)
    pooled = _pooled(measures, [(torch.cat(edited), source) for edited, source in sets.values()], progress)
    write_lines(options.out / "pooled.jsonl", pooled)
    for warning in dict.fromkeys(line.warning for line in pooled if line.warning):
        progress.note(f"distances over all clips: {warning}")
    titles = {info.name: info.title for info in infos}
    means: dict[str, float] = {}
    reasons: dict[str, str] = {}
    for metric in measures.each:
        own = [line for line in lines if line.metric == metric.name]
        values = [line.value for line in own if line.value is not None]
        if values:
            means[metric.title] = sum(values) / len(values)
        else:
            reasons[metric.title] = own[0].reason if own else "no video could be measured"
    means |= {titles[line.metric]: line.value for line in pooled if line.value is not None}
    run.finish({"means": means, "failed": failed})
    return Evaluated(
        folder=options.out, means=means, reasons=reasons, failed=failed, videos=len(items) - len(failed)
    )


def _texts(item: Item) -> list[tuple[str, str]]:
    return [("prompt", spoken(item.prompt)), ("source prompt", spoken(item.source_prompt))]


def _features(item: Item, case: Case, measures: Measures, progress: Progress) -> tuple[Tensor, Tensor] | None:
    """Of the edited clip and its source, for the distances over all clips; none when that fails."""
    if case.source is None:
        return None
    try:
        return features_of(case.edited, measures.encoder), features_of(case.source, measures.encoder)
    except Exception as error:  # its own metrics count all the same
        progress.note(f"{item.name}: left out of the distances over all clips: {in_one_line(error)}")
        return None


def _pooled(measures: Measures, sets: list[tuple[Tensor, Tensor]], progress: Progress) -> list[PooledScore]:
    """Distances over all clips at once, when there are several; with a warning when their frames are few."""
    if len(sets) < 2:
        return []
    lines: list[PooledScore] = []
    for distance in DISTANCES:
        try:
            found = Estimate.of(distance, sets)
        except Exception as error:  # the videos are measured, and the other distance may be well
            progress.note(f"{distance.kind}_source: {in_one_line(error)}")
            continue
        if math.isfinite(found.value):
            warning = few_samples([edited for edited, _ in sets])
            lines.append(
                PooledScore(
                    metric=f"{distance.kind}_source",
                    value=found.value,
                    interval=found.interval,
                    clips=len(sets),
                    **({"warning": warning} if warning else {}),
                )
            )
    return lines
