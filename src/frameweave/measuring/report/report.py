"""The report of experiments and trainings, drawn from their folders alone: tables, figures, and one page."""

import hashlib
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

from frameweave.errors import InputError
from frameweave.measuring.records import REFERENCE, WITH, WITHOUT, LossLine, MetricInfo, SweepLine
from frameweave.measuring.report.baseline import baseline_of, overview_table
from frameweave.measuring.report.differences import Baseline, baseline_table, difference_table, named
from frameweave.measuring.report.figures import Drawn, curves, forest, scatter, strips, sweep
from frameweave.measuring.report.files import write_figure, write_table
from frameweave.measuring.report.grid_page import Page, write_grid_page
from frameweave.measuring.report.merging import merged
from frameweave.measuring.report.reading import read_results
from frameweave.measuring.report.results import Results, RunInfo
from frameweave.measuring.report.table import Table
from frameweave.measuring.report.tables import cost_table, main_table, pooled_table
from frameweave.progress import SILENT, Progress
from frameweave.runs.records import lines_of, read_lines
from frameweave.runs.run import LOG_FILE, RUN_FILE, read_run
from frameweave.video.filmstrips import frames_of

_SWEEP = "sweep.jsonl"
_CLIPS = 3
"""Whose edits by all editors are drawn beside each other."""


def report(
    folders: Sequence[Path],
    out: Path | None = None,
    baseline: str | None = None,
    *,
    primary: Sequence[str] = (),
    progress: Progress = SILENT,
) -> Path:
    """Write tables/, figures/ and report.html into `out`, by default the first folder.

    Several grids and ablations are reported as one experiment; training runs add their losses. `baseline`
    is the editor with which all others are compared. `primary` names the metrics that were chosen
    beforehand: only they are tested then. Returns the page. Raises `InputError` when no folder is given, an
    experiment has no score yet, no such baseline or no such metric, `DataError` when a folder holds neither,
    or when experiments do not go together.
    """
    if not folders:
        raise InputError("no folder to report", hint="give the folder of `frameweave grid`, for example")
    target = out or folders[0]
    trainings = [folder for folder in folders if _is_training(folder)]
    parts = [read_results(folder) for folder in folders if folder not in trainings]
    for part in parts:
        if not part.scores:
            raise InputError(
                f"{part.folder}: no scores yet", hint="let `frameweave grid` or `ablation` finish a pair"
            )
    results = (
        merged(parts, note=progress.note)
        if parts
        else Results(folder=Path(), run=RunInfo.of(read_run(trainings[0])))
    )
    drawn_tables: list[Table] = []
    against = _baseline(results, parts, baseline)
    for name, table in progress.track(tables(results, against, primary) if parts else (), "tables"):
        drawn_tables.append(table)
        write_table(target, name, table)
    shown: list[tuple[str, Drawn]] = []
    windows = [
        line
        for part in parts
        for line in read_lines(SweepLine, part.folder / _SWEEP, hint="measure the sweep again")
    ]
    drawn_figures = chain(figures(results, windows, against, primary) if parts else (), _losses(trainings))
    for name, caption, drawn in progress.track(drawn_figures, "figures"):
        write_figure(target, name, drawn)
        shown.append((caption, drawn))
    page = Page(title=f"Frameweave {results.run.command}", tables=drawn_tables, figures=shown)
    leading = _leading(results, primary) if parts else None
    return write_grid_page(results, page, leading, target / "report.html")


def _baseline(results: Results, parts: Sequence[Results], asked: str | None) -> Baseline | None:
    """The one asked for, or the first that a grid was given."""
    if asked is not None and not parts:
        raise InputError(f"--baseline {asked} without edits", hint="give the folder of `frameweave grid`")
    given = [str(part.run.settings["baseline"]) for part in parts if "baseline" in part.run.settings]
    text = next(iter([asked] if asked is not None else given), None)
    return None if text is None else baseline_of(results, text)


def _metric(name: str, results: Results) -> MetricInfo:
    """Raises `InputError` for one that is not there."""
    found = next((info for info in results.metrics if info.name == name), None)
    if found is None:
        raise InputError.unknown("metric", name, [info.name for info in results.metrics])
    return found


def _is_training(folder: Path) -> bool:
    return (folder / RUN_FILE).is_file() and read_run(folder).command == "train"


def _losses(trainings: Sequence[Path]) -> Iterator[tuple[str, str, Drawn]]:
    for number, folder in enumerate(trainings, 1):
        file = folder / LOG_FILE
        steps = [(number, line) for number, line in lines_of(file) if {"stage", "step"} <= line.keys()]
        log = [LossLine.from_json(line, where=f"{file}, line {number}: ") for number, line in steps]
        if not log:
            raise InputError(f"{folder}: no step in its {LOG_FILE} yet", hint="let the training go on")
        yield f"losses-{number}", f"Losses of {folder}", curves(log)


def tables(
    results: Results, baseline: Baseline | None = None, primary: Sequence[str] = ()
) -> Iterator[tuple[str, Table]]:
    """Each table with its file's name. An ablation is compared with no adaptor and with the whole one.

    Primary metrics come first, then tables against the baseline. Raises `InputError` for a metric that is
    not there.
    """
    headline = [info for info in results.metrics if info.family == "headline"]
    published = [info for info in results.metrics if info.published]
    measured = {line.metric for line in results.scores}
    others = [info for info in results.metrics if info.family != "headline" and info.name in measured]
    tested = () if primary else None
    drawn = {"headline": main_table(results, headline)}
    if primary:
        chosen = [_metric(name, results) for name in primary]
        drawn["primary"] = difference_table(results, chosen, title="Primary measures", tested=primary)
    if baseline is not None:
        drawn |= {
            "editors": overview_table(results, headline, baseline),
            "editors_differences": baseline_table(results, headline, baseline),
            "editors_other_differences": baseline_table(results, others, baseline),
        }
    drawn |= {
        "differences": difference_table(results, headline, tested=tested),
        "published": main_table(results, published, "The published metrics"),
        "others": main_table(results, others, "Other metrics"),
        "other_differences": difference_table(
            results, others, title="Paired differences of the other metrics"
        ),
    }
    if "ablation" in results.run.command:
        arms = dict.fromkeys(arm for editor, arm in results.rows if editor != REFERENCE)
        parts = [arm for arm in arms if arm not in (WITH, WITHOUT)]
        drawn["parts"] = difference_table(results, headline, against=WITH, arms=parts)
    drawn |= {"pooled": pooled_table(results), "cost": cost_table(results)}
    yield from ((name, table) for name, table in drawn.items() if table.rows and table.columns)


def figures(
    results: Results,
    windows: Sequence[SweepLine] = (),
    baseline: Baseline | None = None,
    primary: Sequence[str] = (),
) -> Iterator[tuple[str, str, Drawn]]:
    """Each figure with its file's name and its caption; `windows` has the lines of a sweep.

    They show the primary metrics, else the headline ones.
    """
    rated = [_metric(name, results) for name in primary]
    if not rated:
        rated = [info for info in results.metrics if info.family == "headline" and info.better != "none"]
    arms = dict.fromkeys(arm for editor, arm in results.rows if editor != REFERENCE and arm != WITHOUT)
    if baseline is not None and rated:
        caption = f"Paired differences to {baseline.name}, with 95 % intervals"
        yield "editors", caption, forest(results, rated, baseline)
        yield from _all_editors(results)
    if arms and rated:
        yield "differences", "Paired differences to no adaptor, with 95 % intervals", forest(results, rated)
    for arm in arms:
        for info in rated[:3]:
            yield f"scatter-{info.name}-{_file(arm)}", gains(results, info, arm), scatter(results, info, arm)
    yield from _strips(results, _leading(results, primary))
    for info in rated:
        own = [line for line in windows if line.metric == info.name]
        if own:
            yield f"sweep-{info.name}", f"Windows: {info.title}", sweep(own, info)


def gains(results: Results, info: MetricInfo, arm: str) -> str:
    """One line about an arm: on how many clips of each editor it is better."""
    words: list[str] = []
    for editor in results.editors:
        found = results.compared(editor, arm, WITHOUT, info)
        if found is not None:
            words.append(f"{editor} {found.wins} of {found.n}")
    return f"{info.short}, better with “{arm}”: {', '.join(words)}"


def _strips(results: Results, info: MetricInfo) -> Iterator[tuple[str, str, Drawn]]:
    """Of each editor the clip that gains most by an adaptor, and the one that loses most."""
    pairs = {pair.pair: pair for pair in results.pairs}
    for editor in results.editors:
        arm = results.shown_arm(editor)
        if arm is None:
            continue
        change = results.gains(editor, arm, info)
        videos = {pair: results.videos.get((editor, pair), {}) for pair in change}
        known = [pair for pair in change if videos[pair].keys() >= {WITHOUT, arm}]
        ordered = sorted(known, key=lambda pair: (change[pair], pair))
        for kind, chosen in (("most gained", ordered[-1:]), ("most lost", ordered[:1])):
            for pair in chosen:
                paths = {
                    "source": pairs[pair].source,
                    **{name: videos[pair][name] for name in (WITHOUT, arm)},
                    "true edit": pairs[pair].truth,
                }
                try:
                    clips = {name: frames_of(results.folder / path) for name, path in paths.items() if path}
                except InputError:
                    continue  # a video was moved or removed; the page leaves it out too
                caption = f"{editor}: the clip with {kind} in {info.short}"
                caption += f" ({change[pair]:+.{info.digits}f})"
                yield f"strip-{editor}-{kind.replace(' ', '-')}", caption, strips(clips, pairs[pair].prompt)


def _all_editors(results: Results) -> Iterator[tuple[str, str, Drawn]]:
    """All edits of some clips, evenly spread: none is chosen by what it shows."""
    places = range(0, len(results.pairs), max(1, -(-len(results.pairs) // _CLIPS)))
    for pair in (results.pairs[place] for place in places):
        edits = {
            named((editor, arm)): results.videos.get((editor, pair.pair), {}).get(arm)
            for editor in results.editors
            for arm in results.arms(editor)
        }
        paths = {"source": pair.source, **edits, "true edit": pair.truth}
        try:
            clips = {name: frames_of(results.folder / path) for name, path in paths.items() if path}
        except InputError:
            continue  # a video was moved or removed
        if clips:
            caption = f"All editors, clip {pair.pair}"
            yield f"strip-editors-{_file(pair.pair)}", caption, strips(clips, pair.prompt)


def _leading(results: Results, primary: Sequence[str]) -> MetricInfo:
    """The metric by which clips are ordered."""
    if primary:
        return _metric(primary[0], results)
    rated = [info for info in results.metrics if info.better != "none"]
    return next((info for info in rated if info.family == "headline"), results.metrics[0])


def _file(words: str) -> str:
    """Part of a file's name; what is changed is told apart by a sum."""
    plain = words.replace(" ", "-").replace("/", "-")
    return plain if plain == words else f"{plain}-{hashlib.sha256(words.encode()).hexdigest()[:4]}"
