"""Measure edited videos, whoever made them: one, a folder of some, or the lines of a table."""

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from frameweave.atomic import staged
from frameweave.clip import Clip, resized_frames
from frameweave.errors import DataError, FrameweaveError, InputError
from frameweave.experiments.measures import Measures, measures_on
from frameweave.jobs.backbones import backbones_of
from frameweave.jobs.edit_table import read_edits
from frameweave.jobs.evaluate_options import EvaluateOptions
from frameweave.metrics.base import Case, Looked, measured
from frameweave.metrics.frechet import features_of, jackknifed
from frameweave.progress import SILENT, Progress
from frameweave.run import Run
from frameweave.video.reading import PICTURES
from frameweave.video.writing import SUFFIXES

_COLUMNS: dict[str, type] = {
    "name": str,
    "source": str,
    "prompt": str,
    "source_prompt": str,
    "truth": str,
    "mask": str,
}


_BESIDE = ("source", "truth", "mask")


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


@dataclass(frozen=True, kw_only=True)
class _Item:
    name: str
    edited: Path
    source: Path | None = None
    truth: Path | None = None
    mask: Path | None = None
    prompt: str = ""
    source_prompt: str = ""
    names: frozenset[str] = frozenset()
    """Of all edited videos, without suffixes: in a folder, what has such a name belongs to that video."""


def evaluate(edited: Path, options: EvaluateOptions, *, progress: Progress = SILENT) -> Evaluated:
    """Measure into the run folder `options.out`: scores.jsonl, scores.csv, metrics.json, pooled.jsonl.

    A video that cannot be measured stops none of the others. Raises `DataError` for a table that cannot be
    read, `InputError` when nothing is found.
    """
    items = list(_items(edited, options))
    if not items:
        raise InputError(f"{edited}: nothing to measure in it", hint="give a table with lines below its head")
    measures = measures_on(backbones_of(options, ""), world=False)
    given = {"edited": str(edited.absolute()), "videos": len(items)}
    run = Run.start(options.out, "evaluate", options, given=given, overwrite=options.overwrite)
    rows: list[dict[str, Any]] = []
    failed: dict[str, str] = {}
    sets: list[tuple[Tensor, Tensor]] = []
    for item in progress.track(items, "measuring videos"):
        try:
            case = _case(item, options.frames, progress)
            rows += [
                {"video": item.name, "metric": score.metric, "value": score.value, "reason": score.reason}
                for score in measured(case, measures.each)
            ]
            if case.source is not None:
                sets.append(
                    (features_of(case.edited, measures.encoder), features_of(case.source, measures.encoder))
                )
        except Exception as error:  # whatever it is, the other videos are measured
            known = isinstance(error, FrameweaveError | OSError)
            failed[item.name] = str(error) if known else f"{type(error).__name__}: {error}"
            progress.note(f"{item.name}: {failed[item.name]}")
    pooled = _pooled(measures, sets)
    _write(options.out, measures, rows, pooled)
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


def _items(edited: Path, options: EvaluateOptions) -> Iterator[_Item]:
    """What there is to measure."""
    if edited.suffix.lower() in (".csv", ".jsonl"):
        for number, line in enumerate(read_edits(edited, _COLUMNS, needed=("edited",))):
            own = {key: edited.parent / line[key] for key in ("edited", *_BESIDE) if key in line}
            paths = {key: getattr(options, key) for key in _BESIDE} | own
            words = {key: line.get(key, getattr(options, key)) for key in ("prompt", "source_prompt")}
            names = frozenset([own["edited"].stem])
            yield _Item(
                name=line.get("name", f"{number:03d} {line['edited']}"), names=names, **paths, **words
            )
        return
    if not edited.exists():
        raise InputError(f"{edited}: no such file or folder", hint="check the path of the edited video")
    videos = _videos_in(edited) or [edited]
    names = frozenset(video.stem for video in videos)
    for video in videos:
        yield _Item(
            name=video.name,
            edited=video,
            names=names,
            source=options.source,
            truth=options.truth,
            mask=options.mask,
            prompt=options.prompt,
            source_prompt=options.source_prompt,
        )


def _videos_in(folder: Path) -> list[Path]:
    """None for a file, and for a folder of pictures, which is a video itself."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)


def _beside(item: _Item, other: Path) -> Path:
    """What belongs to an edited video: the one for all, or what has its name in a folder of several."""
    if not other.is_dir():
        return other
    shown = [
        path
        for path in sorted(other.iterdir())
        if path.suffix.lower() in SUFFIXES or path.suffix.lower() in PICTURES or path.is_dir()
    ]
    for path in shown:
        if path.stem == item.edited.stem:
            return path
    if _videos_in(other) or any(path.stem in item.names for path in shown):
        raise DataError(f"{other}: nothing called {item.edited.stem} in it", hint="give both the same names")
    return other  # a folder of pictures


def _case(item: _Item, frames: int | None, progress: Progress) -> Case:
    """The clips, brought to the size of the edited one by one and the same function."""
    edited = Clip.read(item.edited, frames=frames)

    def beside(path: Path | None) -> Looked | None:
        return None if path is None else _fitted(_beside(item, path), edited, item, frames, progress)

    return Case(
        edited=Looked(edited.frames),
        source=beside(item.source),
        truth=beside(item.truth),
        prompt=item.prompt,
        source_prompt=item.source_prompt,
        mask=None if item.mask is None else _mask(_beside(item, item.mask), edited),
    )


def _fitted(path: Path, edited: Clip, item: _Item, frames: int | None, progress: Progress) -> Looked:
    """Another clip at the size of the edited one."""
    other = Clip.read(path, frames=frames)
    if len(other) != len(edited):
        raise InputError(
            f"{path}: {len(other)} frames, {item.edited} has {len(edited)}",
            hint=f"give --frames {min(len(other), len(edited))} to compare the first ones",
        )
    if other.size != edited.size:
        width, height = other.size
        progress.note(f"{path}: {width} x {height} pixels, scaled to {edited.size[0]} x {edited.size[1]}")
    return Looked(resized_frames(other.frames, edited.size))


def _mask(path: Path, edited: Clip) -> Tensor:
    """White is where the edit may change pixels; a picture holds for all frames."""
    frames = resized_frames(Clip.read(path, frames=len(edited)).frames, edited.size)
    mask = (frames.mean(1, keepdim=True) > 0.5).float()
    if len(mask) == 1:
        return mask.expand(len(edited), -1, -1, -1)
    if len(mask) != len(edited):
        raise InputError(f"{path}: {len(mask)} frames, the video has {len(edited)}", hint="give a picture")
    return mask


def _pooled(measures: Measures, sets: list[tuple[Tensor, Tensor]]) -> list[dict[str, Any]]:
    """Distances over all videos at once, when there are several."""
    if len(sets) < 2:
        return []
    rows: list[dict[str, Any]] = []
    for kind, distance in measures.distances.items():
        value, interval = jackknifed(distance, sets)
        if torch.tensor(value).isfinite():
            rows.append(
                {"metric": f"{kind}_source", "value": value, "interval": interval, "videos": len(sets)}
            )
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
