"""What is told of a command's value. Each function gives the values of one result after the other.

Where some of many items failed, `RunError` follows what was told.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from frameweave.cli import console
from frameweave.errors import CheckFailed, RunError
from frameweave.runs.cache_folder import first_time

if TYPE_CHECKING:  # each of them imports torch
    from frameweave.data.caption import CaptionSummary
    from frameweave.data.checking import Checked
    from frameweave.data.prepare import Figures, Prepared
    from frameweave.editing.edit import Edited
    from frameweave.editing.many import ManyEdited
    from frameweave.editing.planning.forecast import Forecast
    from frameweave.measuring.experiment import Experimented
    from frameweave.measuring.video_scores import Evaluated
    from frameweave.runs.settings import Settings
    from frameweave.study.new import Planned
    from frameweave.study.results.report import Reported
    from frameweave.training.forecast import Estimate
    from frameweave.training.train import Trained

Told = Iterator[Mapping[str, object]]


def fields(done: object) -> Told:
    """A record's fields, a table, or several of them."""
    if done is None:
        return
    if isinstance(done, Mapping):
        yield {str(name): _plain(value) for name, value in cast("Mapping[object, object]", done).items()}
    elif is_dataclass(done) and not isinstance(done, type):
        yield {name: _plain(value) for name, value in asdict(done).items()}
    else:
        for one in cast("Iterable[object]", done):
            yield from fields(one)


def edited(done: list[Edited] | dict[str, str]) -> Told:
    if isinstance(done, dict):  # a comparison
        yield done
        return
    seconds = done[-1].seconds
    if console.machine():
        yield {"videos": [str(one.video) for one in done], "seconds": seconds}
        return
    took = f"{sum(seconds.values()):.0f} s"
    for one in done:
        told = _described(one.video)
        yield {str(one.video): f"{told}, {took}" if len(done) == 1 else told}
    if len(done) > 1:
        yield {"all": took}
    if console.err.is_terminal and first_time("app"):
        yield {"next": "frameweave app edits in the browser"}


def _described(video: Path) -> str:
    """Its pixels, frames and bytes."""
    from frameweave.video import probe, timeline

    info, size = probe(video), video.stat().st_size if video.is_file() else 0
    frames = info.frames or len(timeline(video))  # mkv and webm files do not say it
    told = f"{info.width} x {info.height}, {frames} frames"
    return f"{told}, {size / 1e6:.1f} MB" if size >= 1e5 else f"{told}, {max(1, size / 1e3):.0f} kB"


def many_edited(done: ManyEdited) -> Told:
    yield asdict(done)
    _check(done.failed, "edits failed", "mend the cause and run the command again: finished edits are kept")


def experimented(done: Experimented) -> Told:
    yield {name: _plain(getattr(done, name)) for name in ("folder", "done", "earlier", "failed", "seconds")}
    _check(
        done.failed,
        "cells failed",
        "mend the cause and run the command again, without --overwrite: finished cells are kept",
    )


def evaluated(done: Evaluated) -> Told:
    yield {title: round(value, 4) for title, value in done.means.items()}
    yield {"not_measured": done.reasons, "folder": str(done.folder), "videos": done.videos}
    _check(
        done.failed,
        "videos could not be measured",
        "the others are measured; mend this one and run again with --overwrite",
    )


def report(page: Path) -> Told:
    yield {"report": str(page)}


def trained(done: tuple[Path, Trained]) -> Told:
    folder, figures = done
    took = {"seconds": figures.seconds, "peak_gib": round(figures.peak_bytes / 2**30, 2)}
    made = folder / "adaptor"
    adaptor = {"adaptor": str(made)} if made.is_dir() else {}  # what --adaptor takes
    yield {"folder": str(folder), **adaptor, **figures.figures, **took}


def planned(rows: Iterable[Estimate]) -> Told:
    for row in rows:
        told: dict[str, object] = {
            "stage": row.name,
            "minutes": round(row.seconds / 60, 2),
            "gib": round(row.peak_bytes / 2**30, 2),
        }
        if row.flops:
            told["tflop_per_micro_step"] = round(row.flops / 1e12, 4)
            told["tflop_per_second"] = round(row.flops_per_second / 1e12, 4)
        if not row.fits:
            told["warning"] = "more than the memory that is free now"
        yield told


def edit_planned(found: Forecast) -> Told:
    """GiB are 2^30 bytes; TFLOP are 10^12 operations, 2 for a multiply-add."""
    width, height = found.size
    told: dict[str, object] = {
        "editor": found.editor,
        "device": found.device,
        "frames": found.frames,
        "pixels": f"{width}x{height}",
        "minutes": round(found.whole / 60, 2),
        "minutes_between": [round(seconds / 60, 2) for seconds in found.between],
        "gib": _gib(found.device_bytes),
        "free_gib": _gib(found.free_bytes),
    }
    for row in found.rows:
        minutes = round(found.seconds(row) / 60, 2)
        told[row.name] = {"gib": _gib(row.device_bytes), "minutes": minutes}
    told |= {
        "weights_gib": _gib(found.weight_bytes),
        "host_gib": _gib(found.host_bytes),
        "inversion_gib": _gib(found.trajectory_bytes),
        "network_calls": round(found.calls),
        "pictures_per_call": found.pictures,
        "tflop": round(sum(row.flops for row in found.rows) / 1e12, 3),
        "minutes_told_by": found.speed.told_by,
    }
    if not found.fits:
        told["warning"] = f"more than the memory that is free now: {found.lower}"
    yield told


def _gib(size: int) -> float:
    return round(size / 2**30, 3)


def prepared(done: Prepared | Figures) -> Told:
    summary = getattr(done, "summary", None)
    told = {name: _plain(value) for name, value in asdict(done).items() if name not in ("summary", "seconds")}
    told |= {} if summary is None else asdict(summary)
    yield told | ({"seconds": done.seconds} if hasattr(done, "seconds") else {})  # pyright: ignore


def captioned(done: CaptionSummary) -> Told:
    told = asdict(done)
    estimate = told.pop("estimate")
    yield estimate if done.path is None else told | {"path": str(done.path)}


def checked(done: tuple[Path, Checked]) -> Told:
    folder, found = done
    none = found.faults if console.machine() else "none"  # people would see nothing of an empty list
    yield {"faults": found.faults or none, "remarks": found.remarks}
    if found.faults:
        raise CheckFailed(
            f"{folder}: {len(found.faults)} faults, the first: {found.faults[0]}",
            hint="run frameweave data prepare on it again: it makes damaged shards anew, and all with "
            "--mode overwrite",
        )


def study(done: Planned) -> Told:
    power = {f"{found.share:g}": found.power for found in done.power}
    yield {name: _plain(value) for name, value in asdict(done).items()} | {"power": power}


def study_report(done: Reported) -> Told:
    found = done.found
    yield {
        "report": str(done.page),
        "raters": found.raters,
        "left_out": len(found.excluded),
        "answers": found.answers,
    }


def explain(settings: Settings, source: str | None) -> None:
    """Every setting of a training that the paper leaves open: its value, the default, and the readings."""
    from rich.table import Table

    from frameweave.training.presets import provenance

    usual = type(settings)()
    rows = [(name, getattr(settings, name), getattr(usual, name), why) for name, why in provenance().items()]
    if console.machine():
        keys = ("value", "default", "source")
        console.result(**{name: dict(zip(keys, rest, strict=True)) for name, *rest in rows})
        return
    title = f"from {source}" if source else None
    table = Table("setting", "value", "default", "where it comes from", box=None, title=title)
    for name, value, default, why in rows:
        changed = "" if value == default else console.in_words(default)
        table.add_row(name, console.in_words(value), changed, why)
    console.out.print(table)


def _check(failed: Mapping[str, str], what: str, hint: str) -> None:
    if failed:
        name, reason = next(iter(failed.items()))
        raise RunError(f"{len(failed)} {what}, the first, {name}: {reason}", hint=hint)


def _plain(value: object) -> object:
    """Paths as text, also in lists."""
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, list | tuple):
        return [_plain(one) for one in cast("Iterable[object]", value)]
    return value
