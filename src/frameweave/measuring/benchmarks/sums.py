"""Scores of edits summed up as a benchmark does, and its table of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import mean

from frameweave.measuring.benchmarks.base import Benchmark, Column
from frameweave.measuring.report.table import Entry, Row, Table
from frameweave.measuring.video_scores import VideoScore


@dataclass(frozen=True, eq=False, kw_only=True)
class Sums:
    """Scores with the groups of their edits."""

    benchmark: Benchmark
    columns: Sequence[Column]
    lines: Sequence[VideoScore]
    groups: Mapping[str, str]
    """Of each edit, by its name."""

    @cached_property
    def values(self) -> dict[tuple[str, str], list[float]]:
        """By group and measure."""
        found: dict[tuple[str, str], list[float]] = {}
        for line in self.lines:
            if line.value is not None:
                found.setdefault((self.groups[line.video], line.metric), []).append(line.value)
        return found

    @cached_property
    def means(self) -> dict[tuple[str, str], float]:
        """By group and measure, as the benchmark scales them."""
        scales = {column.metric.name: column.scale for column in self.columns}
        return {key: mean(values) * scales[key[1]] for key, values in self.values.items()}

    @cached_property
    def overall(self) -> dict[str, float]:
        """By measure: the mean over the groups, each of which counts once."""
        own: dict[str, list[float]] = {}
        for (_, name), value in self.means.items():
            own.setdefault(name, []).append(value)
        return {name: mean(values) for name, values in own.items()}

    def reason(self, measure: str) -> str:
        """Why a measure has no mean."""
        told = (line.reason for line in self.lines if line.metric == measure and line.value is None)
        return next(told, "no edit could be measured")

    def table(self) -> Table:
        """A row for each measure; those without a mean say why."""
        groups = sorted({group for group, _ in self.means} - {""})
        rows = [self._row(column, groups) for column in self.columns]
        if self.benchmark.totals is not None:
            apart = Entry(reason="sums of measures count no edits")
            rows += [
                (words, (*entries, apart))
                for words, entries in self.benchmark.totals(self.columns, self.overall)
            ]
        over = "the groups' means" if groups else "edits"
        every = self.benchmark.stride
        return Table(
            title=self.benchmark.title,
            stubs=("measure", "network of the benchmark"),
            columns=(*groups, "mean", "edits"),
            rows=tuple(rows),
            notes=(
                f"The mean is over {over}.{f' Every {every}th frame counts.' if every > 1 else ''} A figure "
                "compares with published ones only where the network in its brackets is the benchmark's.",
            ),
        )

    def _row(self, column: Column, groups: Sequence[str]) -> Row:
        info = column.metric.info

        def entry(value: float | None) -> Entry:
            reason = "" if value is not None else f"{info.short}: {self.reason(info.name)}"
            return Entry(value=value, digits=info.digits, reason=reason)

        own = [entry(self.means.get((group, info.name))) for group in groups]
        count = sum(len(values) for (_, name), values in self.values.items() if name == info.name)
        edits = Entry(value=float(count), digits=0)
        return (info.head, column.network or "none"), (*own, entry(self.overall.get(info.name)), edits)
