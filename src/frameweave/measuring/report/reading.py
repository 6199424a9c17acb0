"""Reads and checks an experiment's folder: `measuring/gather.py` says what its files are."""

import dataclasses
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from frameweave.errors import DataError
from frameweave.measuring.report.results import MetricInfo, Results
from frameweave.runs.run import RUN_FILE, read_run

EXPERIMENTS = ("grid", "ablation")
_AGAIN = "run the same command again"
_NEEDED = {
    "pairs": ("pair", "clip", "prompt"),
    "cells": ("pair", "editor", "arm"),
    "scores": ("pair", "editor", "arm", "metric", "value"),
    "pooled": ("editor", "arm", "metric", "value"),
}
_ABSENT: dict[str, dict[str, Any]] = {
    "pairs": {"source_prompt": ""},
    "cells": {"seed": 0},
    "scores": {"seed": 0},
    "pooled": {"interval": None},
}


def read_results(folder: Path) -> Results:
    """Read the folder of a grid or an ablation, finished or not.

    A last line that was being written is left out. Raises `DataError` when the folder holds no experiment,
    or a file is damaged or of another version; `InputError` when run.toml is missing.
    """
    if not (folder / "metrics.json").is_file():
        stopped = (folder / RUN_FILE).is_file() and read_run(folder).get("command") in EXPERIMENTS
        raise DataError(
            f"{folder}: no metrics.json in it",
            hint="it was killed before its tables were written: run the same command again"
            if stopped
            else "give the folder of `frameweave grid` or `ablation`",
        )
    run = read_run(folder)
    if run.get("command") not in EXPERIMENTS:
        raise DataError(
            f"{folder}: a run of {run.get('command')!r}, expected {' or '.join(EXPERIMENTS)}",
            hint="give the folder of `frameweave grid` or `ablation`",
        )
    files = {name: tuple(_rows(folder / f"{name}.jsonl", name)) for name in _NEEDED}
    return Results(folder=folder, run=run, metrics=_metrics(folder / "metrics.json"), **files)


def lines_of(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The objects of a file of JSON lines with their numbers from 1; nothing when there is no file.

    A last line that was being written is left out. Raises `DataError` for any other that is no object.
    """
    content = path.read_bytes() if path.is_file() else b""
    whole, _, rest = content.rpartition(b"\n")
    numbered = list(enumerate([*(whole.split(b"\n") if whole else []), rest], 1))
    for number, line in numbered:
        if not line.strip():
            continue
        try:
            found = json.loads(line)
        except ValueError as error:
            if number == len(numbered):
                return  # the writer was stopped
            raise DataError(f"{path}, line {number}: {error}", hint=_AGAIN) from error
        if not isinstance(found, dict):
            raise DataError(f"{path}, line {number}: expected an object", hint=_AGAIN)
        yield number, found


def _rows(path: Path, name: str) -> Iterator[dict[str, Any]]:
    for number, line in lines_of(path):
        if missing := [key for key in _NEEDED[name] if key not in line]:
            raise DataError(f"{path}, line {number}: no {missing[0]}", hint=_AGAIN)
        row = {**_ABSENT[name], **line}
        if "value" in row and not _is_figure(row["value"]):
            raise DataError(
                f"{path}, line {number}: value = {row['value']!r}, expected a number or null", hint=_AGAIN
            )
        if name == "pooled" and not all(_is_finite(value) for value in row["interval"] or ()):
            row["interval"] = None
        yield row


def _is_figure(value: object) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _is_finite(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _metrics(path: Path) -> tuple[MetricInfo, ...]:
    """The list of metrics. Raises `DataError` for unknown fields: another version may mean other things."""
    fields = dataclasses.fields(MetricInfo)
    known = {field.name for field in fields}
    needed = {field.name for field in fields if field.default is dataclasses.MISSING}
    try:
        tables: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
        for table in tables:
            if wrong := sorted((table.keys() - known) | (needed - table.keys())):
                found = "an unknown" if wrong[0] in table else "no"
                raise DataError(
                    f"{path}: {table.get('name', 'a metric')} has {found} field {wrong[0]!r}",
                    hint="report with the version that measured, which run.toml names",
                )
        return tuple(MetricInfo(**table) for table in tables)
    except (ValueError, TypeError, AttributeError) as error:
        raise DataError(f"{path}: not a list of metrics ({error})", hint=_AGAIN) from error
