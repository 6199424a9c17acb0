"""Everything an experiment has so far, as the tidy files that `records` names."""

import os
from collections.abc import Sequence

from frameweave.adaptor.adaptor import load_adaptor
from frameweave.adaptor.card import Card
from frameweave.measuring.experiments.arms import Arm
from frameweave.measuring.experiments.cells import VIDEO, is_there, read_cost
from frameweave.measuring.experiments.measures import Measures, write_metrics
from frameweave.measuring.experiments.pair_files import described
from frameweave.measuring.experiments.pooling import pooled_lines
from frameweave.measuring.experiments.scoring import failure_of, read_scores
from frameweave.measuring.experiments.sweeping import sweep_lines
from frameweave.measuring.experiments.work import PairWork
from frameweave.measuring.records import REFERENCE, WITHOUT, CellLine, ScoreLine
from frameweave.measuring.report.results import Results, RunInfo
from frameweave.progress import SILENT, Progress
from frameweave.runs.records import write_lines
from frameweave.runs.run import Run

_TIDY = ("pairs", "cells", "scores", "pooled")
GATHERED = (*(f"{name}.jsonl" for name in (*_TIDY, "sweep")), "metrics.json")
"""The files that `gather` writes."""


def gather(run: Run, works: Sequence[PairWork], measures: Measures, *, progress: Progress = SILENT) -> None:
    """Write the tidy files into a run folder; cells that are missing have no lines, failed ones say why."""
    cells: list[CellLine] = []
    scores: list[ScoreLine] = []
    for work in progress.track(works, "gathering"):
        for cell in work.cells:
            edit = cell.edit.model_dump()
            place, scored = work.cells_folder / cell.key, work.scores_folder / cell.key
            kept = read_scores(scored, measures) if is_there(place) else None
            if kept is not None:
                cost = read_cost(place).model_dump()
                video = os.path.relpath(place / VIDEO, run.folder)
                cells.append(CellLine(**edit, video=video, **cost))
                dumped = [score.model_dump(exclude={"key"}, exclude_unset=True) for score in kept]
                scores += [ScoreLine(**edit, **score) for score in dumped]
            elif (reason := failure_of(scored)) is not None:
                cells.append(CellLine(**edit, video=None, error=reason))
    for editor, arm in _without_effect(scores):
        progress.note(f"{arm} changes nothing in {editor}: all its scores are those of {WITHOUT}")
    found = [described(run.folder, work.item.name, work.made_of) for work in works]
    results = Results(
        folder=run.folder,
        run=RunInfo(command=run.record.command),
        pairs=tuple(line for line in found if line is not None),
        cells=tuple(cells),
        scores=tuple(scores),
        pooled=tuple(pooled_lines(works, measures, progress=progress)),
    )
    for name in _TIDY:
        write_lines(run.folder / f"{name}.jsonl", getattr(results, name))
    if windows := sweep_lines(_adapted(works), results):
        write_lines(run.folder / "sweep.jsonl", windows)
    write_metrics(run.folder, measures.described())


def _without_effect(scores: Sequence[ScoreLine]) -> list[tuple[str, str]]:
    """Editors and arms in which every clip scores as without: such an adaptor acts in no step."""
    values = dict[tuple[str, str], dict[tuple[object, ...], object]]()
    for one in scores:
        values.setdefault((one.editor, one.arm), {})[one.pair, one.seed, one.metric] = one.value
    return [
        (editor, arm)
        for (editor, arm), found in values.items()
        if editor != REFERENCE and arm != WITHOUT and found == values.get((editor, WITHOUT))
    ]


def _adapted(works: Sequence[PairWork]) -> list[tuple[Arm, Card]]:
    """The arms that have an adaptor, with its card."""
    arms = {cell.arm.name: cell.arm for work in works[:1] for cell in work.cells}
    return [(arm, load_adaptor(arm.adaptor).card) for arm in arms.values() if arm.adaptor]
