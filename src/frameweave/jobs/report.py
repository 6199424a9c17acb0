"""The report of an experiment, drawn from its folder alone: tables, figures, and one page with a player."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from frameweave.atomic import staged
from frameweave.errors import InputError
from frameweave.progress import SILENT, Progress
from frameweave.report.figures import Drawn, forest, scatter, strips, sweep
from frameweave.report.formats import FORMATS
from frameweave.report.frames import frames_of
from frameweave.report.grid_page import Page, gains, write_grid_page
from frameweave.report.results import REFERENCE, WITH, WITHOUT, MetricInfo, Results, read_results
from frameweave.report.tables import (
    Table,
    cost_table,
    difference_table,
    main_table,
    pooled_table,
)

_SWEEP = "sweep.jsonl"


def report(folder: Path, out: Path | None = None, *, progress: Progress = SILENT) -> Path:
    """Write tables/, figures/ and report.html into `out`, by default the experiment's own folder.

    Returns the page. Raises `DataError` when the folder holds no experiment, `InputError` when it holds no
    score yet.
    """
    results = read_results(folder)
    if not results.scores:
        raise InputError(f"{folder}: no scores yet", hint="let `frameweave grid` or `ablation` finish a pair")
    target = out or folder
    drawn_tables = list(tables(results))
    for name, table in progress.track(drawn_tables, "tables"):
        for suffix, form in FORMATS.items():
            _write(target / "tables" / f"{name}.{suffix}", form(table).encode())
    shown: list[tuple[str, Drawn]] = []
    for name, caption, drawn in progress.track(figures(results), "figures"):
        _write(target / "figures" / f"{name}.png", drawn.png)
        _write(target / "figures" / f"{name}.svg", drawn.svg)
        shown.append((caption, drawn))
    command = results.run.get("command", "experiment")
    page = Page(
        title=f"Frameweave {command}",
        tables=[table for _, table in drawn_tables],
        figures=shown,
    )
    return write_grid_page(results, page, _leading(results), target / "report.html")


def tables(results: Results) -> Iterator[tuple[str, Table]]:
    """Each table with its file's name. An ablation is compared with no adaptor and with the whole one."""
    headline = [info for info in results.metrics if info.family == "headline"]
    published = [info for info in results.metrics if info.published]
    measured = {line["metric"] for line in results.scores}
    others = [info for info in results.metrics if info.family != "headline" and info.name in measured]
    yield "headline", main_table(results, headline)
    yield "differences", difference_table(results, headline)
    yield "published", main_table(results, published, "The published metrics")
    yield "others", main_table(results, others, "Other metrics")
    yield (
        "other_differences",
        difference_table(results, others, title="Paired differences of the other metrics"),
    )
    if results.run.get("command") == "ablation" and results.editors:
        arms = [arm for arm in results.arms(results.editors[0]) if arm not in (WITH, WITHOUT)]
        yield "parts", difference_table(results, headline, against=WITH, arms=arms)
    if results.pooled:
        yield "pooled", pooled_table(results)
    yield "cost", cost_table(results)


def figures(results: Results) -> Iterator[tuple[str, str, Drawn]]:
    """Each figure with its file's name and its caption."""
    rated = [info for info in results.metrics if info.family == "headline" and info.better != "none"]
    arms = dict.fromkeys(arm for editor, arm in results.rows if editor != REFERENCE and arm != WITHOUT)
    if arms:
        yield "differences", "Paired differences to no adaptor, with 95 % intervals", forest(results, rated)
    for arm in arms:
        for info in rated[:3]:
            yield f"scatter-{info.name}-{_file(arm)}", gains(results, info, arm), scatter(results, info, arm)
    yield from _strips(results, _leading(results))
    lines = results.folder / _SWEEP
    if lines.is_file():
        rows: list[dict[str, Any]] = [json.loads(line) for line in lines.read_text("utf-8").splitlines()]
        for info in rated:
            own = [row for row in rows if row["metric"] == info.name]
            if own:
                yield f"sweep-{info.name}", f"Windows: {info.title}", sweep(own, info)


def _strips(results: Results, info: MetricInfo) -> Iterator[tuple[str, str, Drawn]]:
    """Of each editor the clip that gains most by an adaptor, and the one that loses most."""
    pairs = {pair["pair"]: pair for pair in results.pairs}
    videos = {
        (cell["editor"], cell["arm"], cell["pair"]): cell["video"]
        for cell in results.cells
        if cell.get("video") and cell["seed"] == 0
    }
    for editor in results.editors:
        arm = next((arm for arm in results.arms(editor) if arm != WITHOUT), None)
        if arm is None:
            continue
        before, after = (
            {
                line["pair"]: line["value"]
                for line in results.scores
                if (line["editor"], line["arm"], line["metric"], line["seed"]) == (editor, name, info.name, 0)
                and line["value"] is not None
            }
            for name in (WITHOUT, arm)
        )
        sign = -1 if info.better == "lower" else 1
        known = [
            pair
            for pair in before.keys() & after.keys()
            if all((editor, name, pair) in videos for name in (WITHOUT, arm))
        ]
        ordered = sorted(known, key=lambda pair: (sign * (after[pair] - before[pair]), pair))
        for kind, chosen in (("most gained", ordered[-1:]), ("most lost", ordered[:1])):
            for pair in chosen:
                paths = {
                    "source": pairs[pair].get("source"),
                    WITHOUT: videos[editor, WITHOUT, pair],
                    arm: videos[editor, arm, pair],
                    "true edit": pairs[pair].get("truth"),
                }
                clips = {name: frames_of(results.folder / path) for name, path in paths.items() if path}
                caption = f"{editor}: the clip with {kind} in {info.title.split(' [')[0]}"
                yield f"strip-{editor}-{_file(kind)}", caption, strips(clips, pairs[pair]["prompt"])


def _leading(results: Results) -> MetricInfo:
    """The metric by which clips are ordered."""
    rated = [info for info in results.metrics if info.better != "none"]
    return next((info for info in rated if info.family == "headline"), results.metrics[0])


def _file(words: str) -> str:
    return words.replace(" ", "-").replace("/", "-")


def _write(path: Path, content: bytes) -> None:
    with staged(path) as stage:
        stage.write_bytes(content)
