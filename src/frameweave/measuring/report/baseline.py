"""Editors compared with a chosen one, on the same clips and draws."""

from collections.abc import Sequence

from frameweave.errors import InputError
from frameweave.measuring.records import MetricInfo
from frameweave.measuring.report.differences import Baseline, difference_entry, intervals_note
from frameweave.measuring.report.results import EditorArm, Results
from frameweave.measuring.report.table import Entry, Row, Table

_DIGITS = 3  # of seconds


def baseline_of(results: Results, text: str) -> Baseline:
    """What `tokenflow` or `tokenflow:with` means. Raises `InputError` when no edit is of it."""
    editor, _, arm = text.partition(":")
    if editor not in results.editors:
        raise InputError.unknown("baseline editor", editor, results.editors)
    arms = results.arms(editor)
    if arm and arm not in arms:
        raise InputError.unknown(f"arm of the baseline {editor}", arm, arms)
    return Baseline(editor=editor, arm=arm or None)


def overview_table(results: Results, metrics: Sequence[MetricInfo], baseline: Baseline) -> Table:
    """The baseline's means, and below them how much every other row differs from it, with its cost."""
    rows: list[Row] = []
    for row in sorted(results.rows, key=lambda row: row != baseline.against(row, results)):
        against = baseline.against(row, results)
        if row == against:
            entries = _means(results, row, metrics)
        else:
            entries = [_difference(results, row, against, info) for info in metrics]
        rows.append((row, (*_cost(results, row, against), *entries)))
    arms = "" if baseline.arm is not None else ", arms to the same arm of it"
    return Table(
        title=f"All editors beside {baseline.name}",
        stubs=("editor", "arm"),
        columns=("seconds per frame", "times the baseline's", *(info.head for info in metrics)),
        rows=tuple(rows),
        notes=(
            f"Rows of {baseline.name} have its means, the others mean differences to it on the same "
            f"clips{arms}. {intervals_note(rows)}; bold where it excludes zero. ✓ is for the better, ✗ for "
            "the worse. Reference rows show what a cheat would gain.",
        ),
    )


def _cost(results: Results, row: EditorArm, against: EditorArm) -> tuple[Entry, Entry]:
    own, other = (results.seconds_per_frame(*one) for one in (row, against))
    none = Entry(reason="not measured")
    seconds = none if own is None else Entry(value=own, digits=_DIGITS)
    return seconds, Entry(value=own / other, digits=2) if own is not None and other else none


def _means(results: Results, row: EditorArm, metrics: Sequence[MetricInfo]) -> list[Entry]:
    found: list[Entry] = []
    for info in metrics:
        values = results.values(*row, info.name)
        mean = sum(values.values()) / len(values) if values else None
        reason = "" if values else results.reason(*row, info.name)
        found.append(Entry(value=mean, digits=info.digits, reason=reason))
    return found


def _difference(results: Results, row: EditorArm, against: EditorArm, info: MetricInfo) -> Entry:
    pair = results.compared_rows(row, against, info)
    if pair is None:
        return Entry(reason="no clip in common")
    return difference_entry(pair, info)
