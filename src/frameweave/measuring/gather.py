"""Everything an experiment has so far, as the tidy files that the report and other programs read.

`metrics.json` says what each metric is; `pairs.jsonl` has a line for each clip with its prompt,
`cells.jsonl` for each edit, `scores.jsonl` for each score of an edit, `pooled.jsonl` for each measure that
is taken over all clips at once, and `sweep.jsonl` for each pair of windows where arms differ in theirs.
"""

import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from frameweave.adaptor.adaptor import load_adaptor
from frameweave.adaptor.card import Card
from frameweave.measuring.experiments.arms import Arm
from frameweave.measuring.experiments.cells import VIDEO, is_finished, read_facts
from frameweave.measuring.experiments.measures import Measures
from frameweave.measuring.experiments.pair_files import is_described, read_pair
from frameweave.measuring.experiments.pooling import pooled_rows
from frameweave.measuring.experiments.scoring import failure_of, is_scored, read_scores
from frameweave.measuring.experiments.sweeping import sweep_rows
from frameweave.progress import SILENT, Progress
from frameweave.runs.atomic import staged


def gather(
    folder: Path,
    tasks: Sequence[dict[str, Any]],
    measures: Measures,
    *,
    progress: Progress = SILENT,
) -> None:
    """Write the tidy files into a run folder; cells that are missing have no lines, failed ones say why."""
    cells: list[dict[str, Any]] = []
    scores: list[dict[str, Any]] = []
    for task in progress.track(tasks, "gathering"):
        for cell in task["cells"]:
            about = {
                "pair": cell["pair"],
                "seed": cell["seed"],
                "editor": cell["editor"],
                "arm": cell["arm"]["name"],
            }
            place = Path(task["cells_folder"]) / cell["key"]
            scored = Path(task["scores_folder"]) / cell["key"]
            if is_finished(place) and is_scored(scored, measures):
                facts = read_facts(place)
                kept = {name: facts[name] for name in ("seconds", "inversion_recalled", "memory_gb")}
                cells.append({**about, "video": os.path.relpath(place / VIDEO, folder), **kept})
                scores += [{**about, **line} for line in read_scores(scored)]
            elif (reason := failure_of(scored)) is not None:
                cells.append({**about, "video": None, "error": reason})
    known = [(task["pair"]["name"], task["made_of"]) for task in tasks]
    pairs = [read_pair(folder, name) for name, made_of in known if is_described(folder, name, made_of)]
    write_lines(folder / "pairs.jsonl", pairs)
    write_lines(folder / "cells.jsonl", cells)
    write_lines(folder / "scores.jsonl", scores)
    if windows := sweep_rows(_adapted(tasks), scores, {pair["pair"]: pair["clip"] for pair in pairs}):
        write_lines(folder / "sweep.jsonl", windows)
    write_lines(folder / "pooled.jsonl", pooled_rows(tasks, measures, progress=progress))
    with staged(folder / "metrics.json") as stage:
        stage.write_text(json.dumps(measures.described(), indent=1), encoding="utf-8")


def _adapted(tasks: Sequence[dict[str, Any]]) -> list[tuple[Arm, Card]]:
    """The arms that have an adaptor, with its card."""
    arms: dict[str, Arm] = {}
    for cell in tasks[0]["cells"] if tasks else ():
        if "adaptor" in cell["arm"]:
            arms[cell["arm"]["name"]] = Arm.from_dict(cell["arm"])
    return [(arm, load_adaptor(arm.adaptor).card) for arm in arms.values() if arm.adaptor]


def write_lines(target: Path, rows: Iterable[dict[str, Any]]) -> None:
    """Write a file of JSON lines, atomically."""
    with staged(target) as stage:
        stage.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
