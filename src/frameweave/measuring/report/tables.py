"""Tables of an experiment: means with intervals, and paired differences with tests."""

from collections.abc import Iterator, Sequence

import numpy as np

from frameweave.measuring.records import REFERENCE, WITHOUT, MetricInfo, PooledLine
from frameweave.measuring.report.results import Results
from frameweave.measuring.report.table import Entry, Row, Table
from frameweave.measuring.stats.multiple import holm
from frameweave.measuring.stats.paired import FEWEST, NO_SPREAD, Paired, mean_interval


def main_table(results: Results, metrics: Sequence[MetricInfo], title: str = "Means over clips") -> Table:
    """Every editor and arm: means over clips with 95 % intervals; references last.

    The best arm of an editor is bold, over the edits that all its arms have; so, with a dagger, is another
    whose paired interval to it holds 0.
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
            f"{_intervals(rows)}. Bold: the best arm of an editor; "
            "† cannot be told from it (the paired 95 % interval holds zero).",
            *_unequal(results, metrics),
        ),
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


def _intervals(rows: Sequence[Row]) -> str:
    """What stands in brackets, how it was found, and where it does not stand."""
    intervals = [entry for _, row in rows for entry in row if entry.interval is not None]
    methods = dict.fromkeys(entry.method for entry in intervals if entry.method != NO_SPREAD)
    return (
        f"In brackets: 95 % interval over clips ({', '.join(methods) or NO_SPREAD})"
        if intervals
        else f"Fewer than {FEWEST} clips: no intervals"
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
    means = {name: float(np.mean(list(values.values()))) for name, values in common.items() if values}
    if len(means) < 2:
        return False, False
    best = (min if info.better == "lower" else max)(means, key=lambda name: means[name])
    if means[arm] == means[best]:
        return True, False
    found = results.compared(editor, arm, best, info)
    interval = None if found is None else found.interval
    alike = interval is not None and interval.low <= 0 <= interval.high
    return alike, alike


def difference_table(
    results: Results,
    metrics: Sequence[MetricInfo],
    *,
    title: str = "Paired differences",
    against: str = WITHOUT,
    arms: Sequence[str] | None = None,
) -> Table:
    """Each arm minus `against` on the same clips and draws, for each editor and metric.

    P-values of the sign test are corrected by Holm over all headline metrics, editors and arms shown.
    Only edits that both arms have count. With several seeds a column shows how much they change a difference.
    """
    found: list[tuple[str, str, MetricInfo, Paired]] = []
    for editor in results.editors:
        for arm in results.arms(editor):
            if arm == against or (arms is not None and arm not in arms):
                continue
            for info in metrics:
                pair = results.compared(editor, arm, against, info)
                if pair is not None:
                    found.append((editor, arm, info, pair))
    tested = [entry for entry in found if entry[2].family == "headline" and entry[2].better != "none"]
    corrected = dict(zip(map(id, tested), holm([entry[3].p_sign for entry in tested]), strict=True))
    rows = [_difference(entry, corrected.get(id(entry))) for entry in found]
    spreads = [results.seed_spread(editor, arm, against, info.name) for editor, arm, info, _ in found]
    seeds = any(spread is not None for spread in spreads)
    if seeds:
        rows = [
            (words, (*row, _spread(spread, entry[2])))
            for (words, row), spread, entry in zip(rows, spreads, found, strict=True)
        ]
    return Table(
        title=f"{title} to the arm “{against}”",
        stubs=("editor", "arm", "metric"),
        columns=(
            "difference",
            "sign test p",
            "Holm p",
            "sign flips p",
            "wins",
            "ties",
            "losses",
            "d_z",
            "clips",
            *(["SD over seeds"] if seeds else []),
        ),
        rows=tuple(rows),
        notes=(
            f"{_intervals(rows)}; bold where it excludes zero. ✓ is for the better, ✗ for the worse."
            + (f" Holm's correction of the sign test is over {len(tested)} tests." if tested else ""),
        ),
    )


def _difference(entry: tuple[str, str, MetricInfo, Paired], p_holm: float | None) -> Row:
    editor, arm, info, pair = entry
    interval = pair.interval
    sure = interval is not None and (interval.low > 0 or interval.high < 0)
    mark = ""
    if sure and info.better != "none":
        mark = "✓" if (pair.mean < 0) == (info.better == "lower") else "✗"
    rated = info.better != "none"
    none = Entry(reason="neither more nor less is better")
    return (editor, arm, info.head), (
        Entry(
            value=pair.mean,
            digits=info.digits + 1,
            interval=None if interval is None else (interval.low, interval.high),
            method="" if interval is None else interval.method,
            bold=sure,
            signed=True,
            note=mark,
        ),
        Entry(value=pair.p_sign, digits=4),
        Entry(value=p_holm, digits=4) if p_holm is not None else Entry(reason="outside the headline family"),
        Entry(value=pair.p_permutation, digits=4),
        *(Entry(value=float(n), digits=0) if rated else none for n in (pair.wins, pair.ties, pair.losses)),
        Entry(value=pair.d_z, digits=2) if pair.d_z is not None else Entry(reason="no spread"),
        Entry(value=float(pair.n), digits=0),
    )


def _spread(spread: float | None, info: MetricInfo) -> Entry:
    return Entry(reason="one seed") if spread is None else Entry(value=spread, digits=info.digits + 1)


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
                ),
            )
        )
    return Table(
        title="Time and memory",
        stubs=("editor", "arm"),
        columns=("seconds, own inversion", "seconds, inversion known", "peak GB while editing", "edits"),
        rows=tuple(rows),
        notes=("Seconds are medians over edits; editors share inversions of a clip.",),
    )
