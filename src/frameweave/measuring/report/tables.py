"""Tables of an experiment: means with intervals, distances over all clips, time and memory."""

from collections.abc import Iterator, Sequence

import numpy as np

from frameweave.measuring.records import REFERENCE, MetricInfo, PooledLine
from frameweave.measuring.report.differences import intervals_note
from frameweave.measuring.report.results import Results
from frameweave.measuring.report.table import Entry, Row, Table
from frameweave.measuring.stats.paired import mean_interval


def main_table(results: Results, metrics: Sequence[MetricInfo], title: str = "Means over clips") -> Table:
    """Every editor and arm: means over clips with 95 % intervals; references last.

    The best arm of an editor is bold, over the edits that all its arms have; so, with a dagger, is another
    whose paired interval to it holds 0. Arms that were made steadier are compared among themselves.
    """
    rows: list[Row] = [
        ((editor, arm), tuple(_mean(results, editor, arm, info) for info in metrics))
        for editor, arm in results.rows
    ]
    return Table(
        title=title,
        stubs=("editor", "arm"),
        columns=tuple(info.head for info in metrics),
        rows=tuple(rows),
        notes=(
            f"{intervals_note(rows)}. Bold: the best arm of an editor; "
            "† cannot be told from it (the paired 95 % interval holds zero).",
            *_unequal(results, metrics),
            *_smoothed(results),
        ),
    )


def _smoothed(results: Results) -> Iterator[str]:
    """That averaging alone lowers every measure of flicker."""
    arms = dict.fromkeys(arm for _, arm in results.rows)
    if steadied := ", ".join(arm for arm in arms if arm in results.steadied):
        yield (
            f"Made steadier afterwards: {steadied}. That lowers the warp error of any edit and may "
            "cost sharpness: editors are compared within one arm, and bold is among arms of one kind."
        )


def _unequal(results: Results, metrics: Sequence[MetricInfo]) -> Iterator[str]:
    """Where the means of an editor's arms rest on different clips."""
    for editor in results.editors:
        for info in metrics:
            clips = {arm: len(results.values(editor, arm, info.name)) for arm in results.arms(editor)}
            common = [len(values) for values in results.common(editor, info.name).values()]
            if common and max(clips.values()) > min(common):
                each = ", ".join(f"{count} ({arm})" for arm, count in clips.items() if count)
                yield (
                    f"{editor}, {info.title}: means of {each} clips, "
                    f"of which {min(common)} are common and decide what is bold."
                )


def _mean(results: Results, editor: str, arm: str, info: MetricInfo) -> Entry:
    values = results.values(editor, arm, info.name)
    if not values:
        return Entry(reason=results.reason(editor, arm, info.name))
    interval = mean_interval(list(values.values()))
    bold, dagger = _standing(results, editor, arm, info)
    return Entry(
        value=float(np.mean(list(values.values()))),
        digits=info.digits,
        interval=None if interval is None else (interval.low, interval.high),
        method="" if interval is None else interval.method,
        bold=bold,
        note="†" if dagger else "",
    )


def _standing(results: Results, editor: str, arm: str, info: MetricInfo) -> tuple[bool, bool]:
    """Whether an arm is its editor's best, and whether only as far as can be told."""
    if editor == REFERENCE or info.better == "none":
        return False, False
    common = results.common(editor, info.name)
    alike = {
        name: one for name, one in common.items() if (name in results.steadied) == (arm in results.steadied)
    }
    means = {name: float(np.mean(list(values.values()))) for name, values in alike.items() if values}
    if len(means) < 2:
        return False, False
    best = (min if info.better == "lower" else max)(means, key=lambda name: means[name])
    if means[arm] == means[best]:
        return True, False
    found = results.compared(editor, arm, best, info)
    interval = None if found is None else found.interval
    same = interval is not None and interval.low <= 0 <= interval.high
    return same, same


def pooled_table(results: Results) -> Table:
    """Distances over all clips at once, and differences of arms."""
    lines = {(row.editor, row.arm, row.metric, row.against): row for row in results.pooled}
    known = [info for info in results.metrics if any(key[2] == info.name for key in lines)]
    keys = dict.fromkeys((editor, arm, against) for editor, arm, _, against in lines)
    rows: list[Row] = []
    for editor, arm, against in sorted(keys, key=lambda key: key[0] == REFERENCE):
        entries = tuple(_pooled(lines.get((editor, arm, info.name, against)), info) for info in known)
        rows.append(((editor, f"{arm} minus {against}" if against else arm), entries))
    warnings = dict.fromkeys(row.warning for row in results.pooled if row.warning)
    return Table(
        title="Distances over all clips at once",
        stubs=("editor", "arm"),
        columns=tuple(info.head for info in known),
        rows=tuple(rows),
        notes=("In brackets: 95 % interval by leaving out one clip at a time.", *warnings),
    )


def _pooled(line: PooledLine | None, info: MetricInfo) -> Entry:
    if line is None or line.value is None:
        return Entry(reason="not measured")
    sure = line.against != "" and line.interval is not None and not line.interval[0] <= 0 <= line.interval[1]
    return Entry(
        value=line.value, digits=info.digits, interval=line.interval, bold=sure, signed=line.against != ""
    )


def cost_table(results: Results) -> Table:
    """Time and memory of an edit."""
    rows: list[Row] = []
    framed = any(cell.frames for cell in results.cells)  # earlier runs did not count them
    for editor, arm in results.rows:
        own = [cell for cell in results.cells if (cell.editor, cell.arm) == (editor, arm)]
        timed = [(cell.inversion_recalled, cell.seconds) for cell in own if cell.seconds is not None]
        if editor == REFERENCE or not timed:
            continue
        memory = [cell.memory_gb for cell in own if cell.memory_gb is not None]
        halves = [[seconds for recalled, seconds in timed if recalled == kind] for kind in (False, True)]
        rows.append(
            (
                (editor, arm),
                (
                    *(
                        Entry(value=float(np.median(half)), digits=2) if half else Entry(reason="none")
                        for half in halves
                    ),
                    Entry(value=max(memory), digits=2) if memory else Entry(reason="not measured"),
                    Entry(value=float(len(timed)), digits=0),
                    *([_per_frame(results, editor, arm)] if framed else []),
                ),
            )
        )
    return Table(
        title="Time and memory",
        stubs=("editor", "arm"),
        columns=(
            "seconds, own inversion",
            "seconds, inversion known",
            "peak GB while editing",
            "edits",
            *(["seconds per frame"] if framed else []),
        ),
        rows=tuple(rows),
        notes=(
            "Seconds are medians over edits; editors share inversions of a clip."
            + (" Those per frame have the inversion in them, wherever it was made." if framed else ""),
        ),
    )


def _per_frame(results: Results, editor: str, arm: str) -> Entry:
    seconds = results.seconds_per_frame(editor, arm)
    return Entry(reason="not measured") if seconds is None else Entry(value=seconds, digits=3)
