"""Paired differences with their tests: of arms to another arm, and of editors to a chosen one."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from frameweave.measuring.records import REFERENCE, WITHOUT, MetricInfo
from frameweave.measuring.report.results import EditorArm, Results
from frameweave.measuring.report.table import Entry, Row, Table
from frameweave.measuring.stats.multiple import holm
from frameweave.measuring.stats.paired import FEWEST, NO_SPREAD, Paired


@dataclass(frozen=True, kw_only=True)
class _Found:
    """A difference in one metric."""

    row: EditorArm
    info: MetricInfo
    pair: Paired
    spread: float | None
    """Over the seeds of a pair."""
    tested: bool
    """Whether it has a p that is corrected for all that are tested."""


def difference_table(
    results: Results,
    metrics: Sequence[MetricInfo],
    *,
    title: str = "Paired differences",
    against: str = WITHOUT,
    arms: Sequence[str] | None = None,
    tested: Collection[str] | None = None,
) -> Table:
    """Each arm minus `against` on the same clips and draws, for each editor and metric.

    P-values of the sign test are corrected by Holm over all editors and arms shown and all metrics that are
    `tested`: names; None tests headline metrics.
    Only edits that both arms have count. With several seeds a column shows how much they change a difference.
    """
    rows = [
        ((editor, arm), (editor, against))
        for editor in results.editors
        for arm in results.arms(editor)
        if arm != against and (arms is None or arm in arms)
    ]
    return _table(f"{title} to the arm “{against}”", list(_found(results, rows, metrics, tested)))


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """The editor with which others are compared."""

    editor: str
    arm: str | None = None
    """None compares each arm with the same arm of it: edits that were made steadier with such ones."""

    def against(self, row: EditorArm, results: Results) -> EditorArm:
        """With what a row is compared: an arm that the baseline lacks with its first one."""
        arms = results.arms(self.editor)
        if self.arm is not None:
            return self.editor, self.arm
        return self.editor, row[1] if row[1] in arms else WITHOUT if WITHOUT in arms else arms[0]

    @property
    def name(self) -> str:
        """In words."""
        return self.editor if self.arm is None else f"{self.editor}, {self.arm}"


def baseline_table(results: Results, metrics: Sequence[MetricInfo], baseline: Baseline) -> Table:
    """Each editor and arm minus the baseline on the same clips and draws, for each metric, likewise."""
    every = [row for row in results.rows if row[0] != REFERENCE]
    pairs = [(row, baseline.against(row, results)) for row in every]
    found = list(_found(results, [pair for pair in pairs if pair[0] != pair[1]], metrics))
    return _table(f"Paired differences to {baseline.name}", found)


def named(row: EditorArm) -> str:
    """An editor, and its arm unless it is the one without adaptor."""
    return row[0] if row[1] == WITHOUT else f"{row[0]}, {row[1]}"


def _found(
    results: Results,
    rows: Sequence[tuple[EditorArm, EditorArm]],
    metrics: Sequence[MetricInfo],
    tested: Collection[str] | None = None,
) -> Iterator[_Found]:
    """The differences that there are."""
    names = {info.name for info in metrics if info.family == "headline"} if tested is None else tested
    for row, against in rows:
        for info in metrics:
            if (pair := results.compared_rows(row, against, info)) is not None:
                spread = results.seed_spread(row, against, info.name)
                rated = info.better != "none" and info.name in names
                yield _Found(row=row, info=info, pair=pair, spread=spread, tested=rated)


def _table(title: str, found: Sequence[_Found]) -> Table:
    tested = [one for one in found if one.tested]
    corrected = dict(zip(map(id, tested), holm([one.pair.p_sign for one in tested]), strict=True))
    rows = [_row(one, corrected.get(id(one))) for one in found]
    seeds = any(one.spread is not None for one in found)
    if seeds:
        rows = [(words, (*row, _spread(one))) for (words, row), one in zip(rows, found, strict=True)]
    return Table(
        title=title,
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
            f"{intervals_note(rows)}; bold where it excludes zero. ✓ is for the better, ✗ for the worse."
            + (f" Holm's correction of the sign test is over {len(tested)} tests." if tested else ""),
        ),
    )


def intervals_note(rows: Sequence[Row]) -> str:
    """What stands in brackets, how it was found, and where it does not stand."""
    intervals = [entry for _, row in rows for entry in row if entry.interval is not None]
    methods = dict.fromkeys(entry.method for entry in intervals if entry.method != NO_SPREAD)
    return (
        f"In brackets: 95 % interval over clips ({', '.join(methods) or NO_SPREAD})"
        if intervals
        else f"Fewer than {FEWEST} clips: no intervals"
    )


def difference_entry(pair: Paired, info: MetricInfo) -> Entry:
    """The mean difference with its interval; bold and marked where it is surely not zero."""
    interval = pair.interval
    sure = interval is not None and (interval.low > 0 or interval.high < 0)
    mark = ""
    if sure and info.better != "none":
        mark = "✓" if (pair.mean < 0) == (info.better == "lower") else "✗"
    return Entry(
        value=pair.mean,
        digits=info.digits + 1,
        interval=None if interval is None else (interval.low, interval.high),
        method="" if interval is None else interval.method,
        bold=sure,
        signed=True,
        note=mark,
    )


def _row(found: _Found, p_holm: float | None) -> Row:
    """A difference with all its tests."""
    info, pair = found.info, found.pair
    rated = info.better != "none"
    none = Entry(reason="neither more nor less is better")
    return (*found.row, info.head), (
        difference_entry(pair, info),
        Entry(value=pair.p_sign, digits=4),
        Entry(value=p_holm, digits=4) if p_holm is not None else Entry(reason="not tested"),
        Entry(value=pair.p_permutation, digits=4),
        *(Entry(value=float(n), digits=0) if rated else none for n in (pair.wins, pair.ties, pair.losses)),
        Entry(value=pair.d_z, digits=2) if pair.d_z is not None else Entry(reason="no spread"),
        Entry(value=float(pair.n), digits=0),
    )


def _spread(found: _Found) -> Entry:
    if found.spread is None:
        return Entry(reason="one seed")
    return Entry(value=found.spread, digits=found.info.digits + 1)
