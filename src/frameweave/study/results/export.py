"""The answers as people take them away: with editors, clips and systems in place of ids and sides."""

import csv
import io
from collections.abc import Iterable, Mapping
from typing import Any

from frameweave.study.assignment import video_on
from frameweave.study.design import Design


def named_answers(design: Design, rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Each answer of `Store.rows` with what its pair is, and the system that was preferred."""
    found: list[dict[str, Any]] = []
    for row in rows:
        pair = design.pair(row["pair"])
        preferred = video_on(row["choice"], row["left"])
        found.append(
            {**row, "editor": pair.editor, "clip": pair.clip, "prompt": pair.prompt}
            | {"preferred": "" if preferred is None else pair.systems[preferred]}
        )
    return found


def answers_csv(design: Design, rows: Iterable[Mapping[str, Any]]) -> str:
    """The same as a table; empty without answers."""
    named = named_answers(design, rows)
    target = io.StringIO()
    if named:
        writer = csv.DictWriter(target, list(named[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(_harmless(row) for row in named)
    return target.getvalue()


def _harmless(row: Mapping[str, Any]) -> dict[str, Any]:
    """Texts that a spreadsheet would take for formulas are quoted."""
    return {
        name: f"'{value}" if isinstance(value, str) and value[:1] in tuple("=+-@") else value
        for name, value in row.items()
    }
