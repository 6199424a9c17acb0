"""Reads and checks an experiment's folder: `measuring/records.py` says what its files are."""

from pathlib import Path

from frameweave.errors import DataError
from frameweave.measuring.records import CellLine, MetricInfo, PairLine, PooledLine, ScoreLine
from frameweave.measuring.report.results import Results, RunInfo
from frameweave.runs.records import read_json, read_lines
from frameweave.runs.run_file import RUN_FILE, read_run

EXPERIMENTS = ("grid", "ablation")
_METRICS = "metrics.json"


def read_results(folder: Path) -> Results:
    """Read the folder of a grid or an ablation, finished or not.

    A last line that was being written is left out. Raises `DataError` when the folder holds no experiment,
    or a file is damaged or of another version; `InputError` when run.toml is missing.
    """
    hint = "give the folder of `frameweave grid` or `ablation`"
    if not (folder / RUN_FILE).is_file() and not (folder / _METRICS).is_file():
        raise DataError(f"{folder}: no {RUN_FILE} and no {_METRICS} in it", hint=hint)
    command = read_run(folder).command
    if command not in EXPERIMENTS:
        raise DataError(f"{folder}: a run of {command!r}, expected {' or '.join(EXPERIMENTS)}", hint=hint)
    if not (folder / _METRICS).is_file():
        raise DataError(
            f"{folder}: no {_METRICS} in it",
            hint="it was killed before its tables were written: run the same command again",
        )
    return read_measured(folder)


def read_measured(folder: Path) -> Results:
    """The files of any experiment, a search by `tune` among them. Raises what `read_results` raises."""
    record = read_run(folder)
    for name, digest in record.files.items() if record.result is not None else ():
        if digest and not record.holds(folder, name):
            raise DataError(
                f"{folder / name}: it has changed since the run was finished",
                hint="run the same command again, which writes its tables anew from what was measured",
            )
    return Results(
        folder=folder,
        run=RunInfo.of(record),
        metrics=_metrics(folder / _METRICS),
        pairs=read_lines(PairLine, folder / "pairs.jsonl"),
        cells=read_lines(CellLine, folder / "cells.jsonl"),
        scores=read_lines(ScoreLine, folder / "scores.jsonl"),
        pooled=read_lines(PooledLine, folder / "pooled.jsonl"),
    )


def _metrics(path: Path) -> tuple[MetricInfo, ...]:
    """The list of metrics. Raises `DataError` for unknown fields: another version may mean other things."""
    tables = read_json(path)
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise DataError(f"{path}: not a list of metrics", hint="run the same command again")
    return tuple(
        MetricInfo.from_json(
            table,
            where=f"{path}: {table.get('name', 'a metric')} has ",
            hint="report with the version that measured, which run.toml names",
        )
        for table in tables
    )
