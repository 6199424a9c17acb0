"""The report of an experiment: its tables in every format, drawn from its folder alone."""

from collections.abc import Iterator
from pathlib import Path

from frameweave.atomic import staged
from frameweave.errors import InputError
from frameweave.progress import SILENT, Progress
from frameweave.report.formats import FORMATS
from frameweave.report.results import WITH, WITHOUT, Results, read_results
from frameweave.report.tables import (
    Table,
    cost_table,
    difference_table,
    main_table,
    pooled_table,
)


def report(folder: Path, out: Path | None = None, *, progress: Progress = SILENT) -> list[Path]:
    """Write `tables/` into `out`, by default the experiment's own folder; returns the files.

    Raises `DataError` when the folder holds no experiment, `InputError` when it holds no score yet.
    """
    results = read_results(folder)
    if not results.scores:
        raise InputError(f"{folder}: no scores yet", hint="let `frameweave grid` or `ablation` finish a pair")
    target = (out or folder) / "tables"
    written: list[Path] = []
    for name, table in progress.track(list(tables(results)), "tables"):
        for suffix, form in FORMATS.items():
            path = target / f"{name}.{suffix}"
            with staged(path) as stage:
                stage.write_text(form(table), encoding="utf-8")
            written.append(path)
    return written


def tables(results: Results) -> Iterator[tuple[str, Table]]:
    """Each table with its file's name. An ablation is compared with no adaptor and with the whole one."""
    headline = [info for info in results.metrics if info.family == "headline"]
    published = [info for info in results.metrics if info.published]
    others = [info for info in results.metrics if info.family != "headline"]
    yield "headline", main_table(results, headline)
    yield "differences", difference_table(results, headline)
    yield "published", main_table(results, published)
    yield "others", main_table(results, [info for info in others if _is_of_clips(results, info.name)])
    yield "other_differences", difference_table(results, others)
    if results.run.get("command") == "ablation":
        arms = [arm for arm in results.arms(results.editors[0]) if arm not in (WITH, WITHOUT)]
        yield "parts", difference_table(results, headline, against=WITH, arms=arms)
    if results.pooled:
        yield "pooled", pooled_table(results)
    yield "cost", cost_table(results)


def _is_of_clips(results: Results, name: str) -> bool:
    return any(line["metric"] == name for line in results.scores)
