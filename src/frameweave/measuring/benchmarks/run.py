"""Measure the edits of a published benchmark, and sum them up as it does."""

from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path

import numpy as np

from frameweave.errors import DataError, InputError
from frameweave.measuring.benchmarks.base import BenchEdit, Benchmark
from frameweave.measuring.benchmarks.five import FIVE
from frameweave.measuring.benchmarks.ivebench import IVEBENCH
from frameweave.measuring.benchmarks.sums import Sums
from frameweave.measuring.benchmarks.v2vbench import V2VBENCH
from frameweave.measuring.experiments.measures import STAND_INS, Backbones, seeing
from frameweave.measuring.keys import key_of
from frameweave.measuring.metrics.base import Case, Frames, Looked, measured
from frameweave.measuring.options import EvaluateOptions
from frameweave.measuring.records import Score
from frameweave.measuring.report.files import write_table
from frameweave.measuring.video_scores import Evaluated, each_measured, evaluating
from frameweave.progress import SILENT, Progress
from frameweave.runs.identity import Input, contents
from frameweave.runs.run import Run
from frameweave.video import read_frames
from frameweave.video.clip import as_frames, resized_frames

BENCHMARKS: Mapping[str, Benchmark] = {"v2vbench": V2VBENCH, "five": FIVE, "ivebench": IVEBENCH}
_TOLD = ("source", "truth", "mask", "prompt", "source_prompt")
"""Options whose place the benchmark's own table takes."""
_SHOWN = 3  # missing edits that an error names


def benchmark(edits: Path, options: EvaluateOptions, *, progress: Progress = SILENT) -> Evaluated:
    """Measure the edits in a folder into the run folder `options.out`; its tables/benchmark.md sums them up.

    An edit that is missing or cannot be measured stops none of the others. Raises `InputError` for options
    that the benchmark's table replaces and where no edit is there, `DataError` for data that are not the
    benchmark's.
    """
    assert options.benchmark is not None
    chosen = BENCHMARKS[options.benchmark]
    if said := [name for name in _TOLD if getattr(options, name)]:
        raise InputError(
            f"--{said[0].replace('_', '-')} beside --benchmark {options.benchmark}",
            hint=f"leave it out: {chosen.title}'s own table says it",
        )
    if not edits.is_dir():
        raise InputError(f"{edits}: expected a folder of edits for {chosen.title}", hint=chosen.layout)
    asked = chosen.read(options.benchmark_data or edits, edits)
    there = [one for one in asked if one.edited is not None]
    if not there:
        wanted = ", ".join(str(one.wanted) for one in asked[:_SHOWN])
        raise InputError(
            f"{edits}: none of {chosen.title}'s {len(asked)} edits is there ({wanted}, ...)",
            hint=chosen.layout,
        )
    backbones = Backbones.asked(options)
    seeing(backbones)  # networks that are missing are told before a run folder is made
    if backbones.kind == "miniature":
        progress.note(STAND_INS)
    files = {path for one in there for path in (one.edited, one.source, one.mask) if path}
    found = key_of([[str(path), contents(path)] for path in sorted(files)], [one.prompt for one in asked])
    given = {"videos": len(there), "edited": Input("edited", edits, found)}
    with evaluating(options, given, "scores.jsonl", "metrics.json", "scores.csv", "tables/*") as run:
        return _measured(run, chosen, asked, options, progress)


def _measured(
    run: Run, chosen: Benchmark, asked: Sequence[BenchEdit], options: EvaluateOptions, progress: Progress
) -> Evaluated:
    columns = chosen.columns(seeing(Backbones.asked(options)))
    metrics = [column.metric for column in columns]

    def scores(one: BenchEdit) -> list[Score]:
        return measured(_case(one, chosen, options.frames), metrics)

    infos, tracked = [metric.info for metric in metrics], progress.track(asked, "measuring edits")
    lines, failed = each_measured(tracked, scores, options.out, infos, progress)
    groups = {one.name: one.group for one in asked}
    sums = Sums(benchmark=chosen, columns=columns, lines=lines, groups=groups)
    write_table(options.out, "benchmark", sums.table())
    titles = {metric.name: metric.title for metric in metrics}
    means = {titles[name]: value for name, value in sums.overall.items()}
    reasons = {title: sums.reason(name) for name, title in titles.items() if name not in sums.overall}
    run.finish({"means": means, "failed": failed})
    return Evaluated(
        folder=options.out, means=means, reasons=reasons, failed=failed, videos=len(asked) - len(failed)
    )


def _case(one: BenchEdit, chosen: Benchmark, most: int | None) -> Case:
    """What is known about an edit; frames belong together by their numbers."""
    if one.edited is None:
        raise DataError(f"no edit at {one.wanted}", hint="it is left out of the means")
    if chosen.masked and (one.source is None or one.mask is None):
        raise DataError(f"no source or no mask of it in {chosen.title}'s data", hint="it is left out")
    edited = _read(one.edited, chosen.stride, most)
    source = None if one.source is None else _read(one.source, chosen.stride, most)
    mask = (
        None if one.mask is None else (_read(one.mask, chosen.stride, most).amax(1, keepdim=True) > 0).float()
    )
    if source is not None:
        if chosen.at_source_size:
            count = min(len(edited), len(source), *([len(mask)] if mask is not None else []))
            edited, source = edited[:count], source[:count]
            mask = None if mask is None else mask[:count]
            edited = resized_frames(edited, (source.shape[3], source.shape[2]))
        elif len(source) != len(edited):
            raise InputError(f"{one.edited}: {len(edited)} frames, {one.source} has {len(source)}")
        else:
            source = resized_frames(source, (edited.shape[3], edited.shape[2]))
    return Case(
        edited=Looked(edited),
        source=None if source is None else Looked(source),
        prompt=one.prompt,
        source_prompt=one.source_prompt,
        mask=mask,
    )


def _read(path: Path, stride: int, most: int | None) -> Frames:
    """Of the first frames the first and each so many after it."""
    pictures = islice(read_frames(path, first=most), 0, None, stride)
    return as_frames(np.stack([picture.pixels for picture in pictures])).contiguous()
