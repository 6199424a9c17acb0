"""What an experiment's folder holds, read and checked: see `jobs/gather.py` for its files."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from frameweave.errors import DataError
from frameweave.run import read_run
from frameweave.stats.paired import by_clip

REFERENCE = "reference"
WITHOUT, WITH = "without", "with"


@dataclass(frozen=True, kw_only=True)
class MetricInfo:
    """What a table says about a metric."""

    name: str
    title: str
    better: str
    """lower, higher or none."""
    digits: int
    family: str
    """headline or other."""
    definition: str
    backbone: str | None = None
    published: bool = False

    @property
    def arrow(self) -> str:
        return {"lower": "↓", "higher": "↑"}.get(self.better, "")


@dataclass(frozen=True, eq=False, kw_only=True)
class Results:
    """An experiment's scores, tidy: one line for each edit and metric."""

    folder: Path
    run: dict[str, Any]
    metrics: tuple[MetricInfo, ...]
    pairs: tuple[dict[str, Any], ...]
    cells: tuple[dict[str, Any], ...]
    scores: tuple[dict[str, Any], ...]
    pooled: tuple[dict[str, Any], ...]

    @cached_property
    def _values(self) -> Mapping[tuple[str, str, str], list[tuple[str, float]]]:
        clips: dict[str, str] = {pair["pair"]: str(pair["clip"]) for pair in self.pairs}
        found: dict[tuple[str, str, str], list[tuple[str, float]]] = {}
        for line in self.scores:
            value = line["value"]
            if value is None or not math.isfinite(value):
                continue
            clip = clips.get(line["pair"], str(line["pair"]))
            found.setdefault((line["editor"], line["arm"], line["metric"]), []).append((clip, float(value)))
        return found

    def values(self, editor: str, arm: str, metric: str) -> dict[str, float]:
        """One value for each clip: the mean over its prompts and seeds."""
        return by_clip(self._values.get((editor, arm, metric), []))

    def reason(self, editor: str, arm: str, metric: str) -> str:
        """Why there is no value."""
        for line in self.scores:
            if (line["editor"], line["arm"], line["metric"]) == (editor, arm, metric):
                return line.get("reason") or "is not a number"
        return "not measured"

    @property
    def rows(self) -> list[tuple[str, str]]:
        """Editors and arms in the order of their first lines, the references last."""
        seen = dict.fromkeys((line["editor"], line["arm"]) for line in self.scores)
        return sorted(seen, key=lambda row: row[0] == REFERENCE)

    @property
    def editors(self) -> list[str]:
        return list(dict.fromkeys(editor for editor, _ in self.rows if editor != REFERENCE))

    def arms(self, editor: str) -> list[str]:
        return [arm for name, arm in self.rows if name == editor]

    @property
    def stand_ins(self) -> list[str]:
        """The Miniature's backbones, whose figures cannot be compared with published ones."""
        names = {info.backbone for info in self.metrics if info.backbone}
        return sorted(name for name in names if name.startswith("miniature"))


def read_results(folder: Path) -> Results:
    """Read the folder of a grid or an ablation.

    Raises `DataError` when it is none, or when a file is damaged; an unfinished last line is left out.
    """
    if not (folder / "metrics.json").is_file():
        raise DataError(
            f"{folder}: no metrics.json in it", hint="give the folder of `frameweave grid` or `ablation`"
        )
    try:
        metrics = tuple(
            MetricInfo(**table) for table in json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
        )
    except (ValueError, TypeError) as error:
        raise DataError(
            f"{folder}/metrics.json: {error}", hint="run the same `frameweave grid` again"
        ) from error
    lines = {name: tuple(_lines(folder / f"{name}.jsonl")) for name in ("pairs", "cells", "scores", "pooled")}
    _check(folder, lines["scores"])
    return Results(folder=folder, run=read_run(folder), metrics=metrics, **lines)


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    if not path.is_file():
        return
    text = path.read_text(encoding="utf-8")
    numbered = list(enumerate(text.splitlines(), 1))
    for number, line in numbered:
        try:
            yield json.loads(line)
        except json.JSONDecodeError as error:
            if number == len(numbered) and not text.endswith("\n"):
                return  # the writer was stopped
            raise DataError(f"{path}, line {number}: {error}", hint="run the same command again") from error


def _check(folder: Path, scores: Sequence[dict[str, Any]]) -> None:
    for number, line in enumerate(scores, 1):
        if missing := {"pair", "editor", "arm", "metric", "value"} - line.keys():
            raise DataError(
                f"{folder}/scores.jsonl, line {number}: no {min(missing)}", hint="run the same command again"
            )
