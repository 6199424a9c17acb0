"""An experiment: clips x editors x arms x seeds as a table of cells; only missing ones are done."""

import itertools
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from frameweave.editing.setup import lacking
from frameweave.editing.table import check_names, folder_name, read_edits
from frameweave.editors import base
from frameweave.errors import DataError, InputError
from frameweave.measuring.backbones import backbones_of
from frameweave.measuring.experiments.arms import Arm
from frameweave.measuring.experiments.cell_work import work_on_pair
from frameweave.measuring.experiments.cells import EDITING, is_finished, key_of
from frameweave.measuring.experiments.measures import measures_on
from frameweave.measuring.experiments.pair_files import is_described
from frameweave.measuring.experiments.pairs import set_name, world_items
from frameweave.measuring.experiments.references import REFERENCE, reference_names
from frameweave.measuring.experiments.scoring import is_scored, note_failure
from frameweave.measuring.gather import gather
from frameweave.measuring.options import FREE, ExperimentOptions
from frameweave.models.identity import identity
from frameweave.models.loading import CONTROL, DEPTH, VISION, has_part, located, torch_device
from frameweave.models.vision import NAME_A_TOWER
from frameweave.progress import SILENT, Progress
from frameweave.runs.atomic import clear_stale, contents, sha256
from frameweave.runs.engines import engine_of, in_shards, part
from frameweave.runs.ranges import COUNT, Range, check_ranges
from frameweave.runs.run import Run
from frameweave.world.scene import ATTRIBUTES

_FILES = ("video", "truth")  # of a table's line: their contents count, not where they lie
_RANGES: dict[str, Range] = dict.fromkeys(
    ("clips", "frames", "seeds", "steps", "threads", "size", "train_steps"), COUNT
) | {"changes": Range(1, len(ATTRIBUTES))}
_MODELS = ("model", "control", "depth_model", "vision")  # options that name networks
_COLUMNS: dict[str, type] = {"name": str, "source_prompt": str, "negative": str, "truth": str}


@dataclass(frozen=True, kw_only=True)
class Experimented:
    """What came of an experiment."""

    folder: Path
    done: int
    """Cells that this run edited or scored."""
    earlier: int
    """Cells that were there already."""
    failed: dict[str, str]
    """Names of the cells that failed, and why."""
    seconds: float


def items_of(table: Path | None, options: ExperimentOptions) -> tuple[list[dict[str, Any]], str]:
    """What is edited, and the name of that test set: a table's lines, or the world's held-out clips.

    Raises `InputError` for numbers that make no sense, a device that is not here and an editor whose depth
    networks are missing, `DataError` for a bad table and for videos that are not there, `ModelFolderError`
    for a model or weights that are missing: all before a run folder is made or anything is trained.
    """
    if options.overwrite and in_shards(options.shard_index, options.num_shards):
        raise InputError(
            "--overwrite in shards: each would delete what the others made",
            hint="delete the folder first, then start the shards without it",
        )
    check_ranges(options, _RANGES)
    torch_device(options.device)
    for editor in options.editors:
        base.make(editor, {"steps": options.steps})
    if table is None and options.model != "miniature":
        raise InputError(
            f"the world's clips for {options.model}", hint="give a table of videos for other models"
        )
    for name in _MODELS:
        if (model := getattr(options, name)) is not None:
            located(model)
    _check_depth(options, estimated=table is not None)
    measures_on(backbones_of(options, options.model), world=table is None)
    if table is None:
        items = world_items(options.clip_set, options.clips, options.frames, options.changes)
        return items, set_name(options.clip_set, options.clips, options.changes)
    items: list[dict[str, Any]] = []
    for number, line in enumerate(read_edits(table, _COLUMNS)):
        item: dict[str, Any] = {
            **line,
            "name": folder_name(line.get("name") or f"{number:03d}"),
            "frames": options.frames,
            "size": options.size,
        }
        for column in ("video", "truth"):
            if column in item:
                path = (table.parent / item[column]).absolute()
                if not path.exists():
                    raise DataError(
                        f"{table}: the {column} {path} is not there", hint="paths are relative to the table"
                    )
                item[column] = str(path)
        items.append(item)
    check_names(table, [item["name"] for item in items])
    return items, f"{table.name}, {sha256(table)[:12]}"


def _check_depth(options: ExperimentOptions, *, estimated: bool) -> None:
    """Raise `InputError` for an editor that needs depth where nothing steers by it or estimates it."""
    lacks = lacking(
        control=has_part(options.model, CONTROL, options.control),
        estimator=not estimated or has_part(options.model, DEPTH, options.depth_model),
    )
    for editor in options.editors:
        if lacks and base.make(editor, {}).needs_depth:
            what, flag = lacks
            raise InputError(
                f"{editor} needs depth, and {options.model} has no {what}",
                hint=f"name one with {flag}, or leave {editor} out of --editors",
            )


def check_vision(arms: Sequence[Arm], options: ExperimentOptions) -> None:
    """Raise `InputError` for an arm whose prompt tokens act where no vision tower is to see the sources."""
    if has_part(options.model, VISION, options.vision):
        return
    for arm, editor in itertools.product(arms, options.editors):
        if arm.effect(editor).get("tokens"):
            raise InputError(
                f"the prompt tokens of {arm.name} act in {editor}, and the model has no vision tower",
                hint=f"{NAME_A_TOWER}, or leave out the tokens",
            )


def begun(command: str, options: ExperimentOptions, given: dict[str, Any]) -> Run:
    """The run in `options.out`: a new one, or an unfinished one of the same settings and input that goes on.

    Raises `RunError` when the folder holds another run.
    """
    replaced = options.overwrite
    plan = Run.planned(
        options.out, command, options, given=given, overwrite=replaced, resume=not replaced, free=FREE
    )
    return plan.start()


def run_experiment(
    run: Run,
    items: Sequence[dict[str, Any]],
    arms: Sequence[Arm],
    options: ExperimentOptions,
    *,
    progress: Progress = SILENT,
) -> Experimented:
    """Do the missing cells, and write what the report reads: see `gather`."""
    start = time.monotonic()
    backbones = backbones_of(options, options.model)
    measures = measures_on(backbones, world="world" in items[0])
    cells_folder = (options.cells or run.folder / "cells").absolute()
    scores_folder = (run.folder / "scores").absolute()
    for folder in (cells_folder, scores_folder):
        clear_stale(folder)
    tasks = list(_tasks(items, arms, options, cells_folder, scores_folder))
    mine = list(part(tasks, options.shard_index, options.num_shards))
    cells = [cell for task in mine for cell in task["cells"]]
    waiting: list[dict[str, Any]] = []

    def there(key: str) -> bool:
        return is_finished(cells_folder / key) and is_scored(scores_folder / key, measures)

    for task in mine:
        missing = [cell for cell in task["cells"] if not there(cell["key"])]
        if missing or not is_described(run.folder, task["pair"]["name"], task["made_of"]):
            waiting.append({**task, "cells": missing, "backbones": asdict(backbones)})
    count = sum(len(task["cells"]) for task in waiting)
    progress.note(f"{count} of {len(cells)} cells are missing, of {len(waiting)} of {len(mine)} pairs")
    failed: dict[str, str] = {}
    outcomes = engine_of(options).run(work_on_pair, waiting, what="editing pairs", progress=progress)
    try:
        for outcome in outcomes:
            told: dict[str, str] = {} if outcome.value is None else outcome.value["failed"]
            if outcome.failure is not None:  # the worker is gone, but not what it had finished
                unfinished = (cell["key"] for cell in waiting[outcome.position]["cells"])
                told = {key: outcome.failure.message for key in unfinished if not there(key)}
            for key, reason in told.items():
                note_failure(scores_folder / key, reason)
            failed |= told
    finally:  # an interrupted experiment has its tables, too
        gather(run.folder, tasks, measures, progress=progress)
    names = {_name(cell, options.seeds): cell["key"] for cell in cells}  # arms may edit alike: one key
    without_result = {name: failed[key] for name, key in names.items() if key in failed}
    return Experimented(
        folder=run.folder,
        done=count - len(without_result),
        earlier=len(cells) - count,
        failed=without_result,
        seconds=round(time.monotonic() - start, 1),
    )


def _name(cell: dict[str, Any], seeds: int) -> str:
    """What people call a cell."""
    seed = f" seed {cell['seed']}" if seeds > 1 else ""
    return f"{cell['pair']} {cell['editor']} {cell['arm']['name']}{seed}"


def digests(arms: Sequence[Arm], editors: Sequence[str]) -> dict[str, str]:
    """What tells the arms from others: how they act in the editors, whatever arm or file are called."""
    return {arm.name: key_of([arm.effect(editor) for editor in editors]) for arm in arms}


def _tasks(
    items: Sequence[dict[str, Any]],
    arms: Sequence[Arm],
    options: ExperimentOptions,
    cells: Path,
    scores: Path,
) -> Iterator[dict[str, Any]]:
    """One for each pair, with all its cells."""
    model = {name: getattr(options, name) for name in (*_MODELS, "dtype", "device", "threads")}
    weights = [identity(model[name]) for name in _MODELS]
    fixed = {"weights": weights, "dtype": options.dtype, "editing": EDITING}
    effects = {(editor, arm.name): key_of(arm.effect(editor)) for editor in options.editors for arm in arms}
    contents_of = cache(contents)  # a video has several prompts
    settings = {"steps": options.steps}
    for item in items:
        table: list[dict[str, Any]] = []
        files = [[name, contents_of(Path(item[name]))] for name in _FILES if name in item]
        said = {name: value for name, value in item.items() if name not in _FILES}
        edits = [(editor, settings, arm) for editor in options.editors for arm in arms]
        rows = [(REFERENCE, {}, Arm(name=name)) for name in reference_names(item)]
        for editor, chosen, arm in [*edits, *rows]:
            for seed in range(1 if editor == REFERENCE else options.seeds):
                effect = arm.name if editor == REFERENCE else effects[editor, arm.name]
                table.append(
                    {
                        "pair": item["name"],
                        "editor": editor,
                        "settings": chosen,
                        "arm": arm.as_dict(),
                        "effect": effect,
                        "seed": seed,
                        "key": key_of(fixed, said, files, editor, chosen, effect, seed),
                    }
                )
        yield {
            "pair": item,
            "made_of": key_of(said, files),
            "cells": table,
            "model": model,
            "cells_folder": str(cells),
            "scores_folder": str(scores),
            "run_folder": str(scores.parent),
        }
