"""An experiment: clips x editors x arms x seeds as a table of cells; only missing ones are done."""

import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import JsonValue

from frameweave.editors import registry, running
from frameweave.measuring.asked import settings_of
from frameweave.measuring.experiments.arms import Arm, arms_as_used
from frameweave.measuring.experiments.cell_work import work_on_pair
from frameweave.measuring.experiments.cells import EDITING, Cell, is_whole
from frameweave.measuring.experiments.items import STRANGE, Item, WorldItem, texts_of
from frameweave.measuring.experiments.measures import Backbones
from frameweave.measuring.experiments.pair_files import described
from frameweave.measuring.experiments.pairs import TRUE_FLOW
from frameweave.measuring.experiments.references import reference_names
from frameweave.measuring.experiments.scoring import note_failure, read_scores
from frameweave.measuring.experiments.work import Loading, PairWork
from frameweave.measuring.gather import GATHERED, gather
from frameweave.measuring.keys import key_of
from frameweave.measuring.options import FREE, ExperimentOptions
from frameweave.measuring.records import REFERENCE
from frameweave.models.identity import BY_CONTENT, given_contents, inputs_of
from frameweave.models.identity import settings_of as chosen_settings
from frameweave.models.loading.choice import ModelChoice
from frameweave.models.loading.device import AUTO, dtype_name, torch_device, torch_dtype
from frameweave.progress import SILENT, Progress
from frameweave.runs.atomic import clear_stale, sha256
from frameweave.runs.engines import engine_of, in_shards, part
from frameweave.runs.identity import Input, check_apart, contents
from frameweave.runs.run import Run
from frameweave.video.motion.flows import USUAL, flow_of

_FIRST = ("model", "controlnet", "depth_model", "vision")
"""Networks that count in every cell's key, named or not."""


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


@dataclass(frozen=True, kw_only=True)
class Given:
    """What an experiment is given besides its options, as its run file holds it."""

    test_set: str
    """In words, which may change: options and the table's digest tell what is edited from others."""
    arms: Mapping[str, str] = field(default_factory=dict[str, str])
    """Their digests, by name."""
    table: str = ""
    """The file's path."""
    table_digest: str = ""
    adaptor: str = ""

    @classmethod
    def of(cls, table: Path | None, test_set: str, **others: Any) -> "Given":
        """With a table's path and digest, if there is one."""
        if table is None:
            return cls(test_set=test_set, **others)
        return cls(test_set=test_set, table=str(table.absolute()), table_digest=sha256(table)[:12], **others)


@contextmanager
def begun(
    command: str,
    options: ExperimentOptions,
    given: Given,
    items: Sequence[Item],
    progress: Progress = SILENT,
) -> Generator[Run, None, None]:
    """The run in `options.out`, which no other one enters meanwhile, unless they are jobs of one array.

    It is a new one, or an unfinished one of the same settings and input that goes on. Edits, scores and pairs
    are found by all that they depend on, so a run that is replaced leaves them. Raises `InputError` for a
    table or a video in the folder, `RunError` when the folder holds another run.
    """
    files = [Input(name, path, "") for item in items for name, path in item.files.items()]
    files += [Input("table", Path(given.table), "")] if given.table else []
    check_apart(files, options.out)
    replaced = options.overwrite
    plan = Run.planned(
        options.out,
        command,
        options,
        given={name: value for name, value in asdict(given).items() if value},
        overwrite=replaced,
        resume=not replaced,
        free=(*FREE, "test_set"),
    )
    with plan.held(shared=in_shards(options.shard_index, options.num_shards)):
        run = plan.start()
        run.will_write(*GATHERED)
        if texts := list(texts_of(items, options.prompt_syntax)):
            Backbones.asked(options, model=options.model).measures().tell_unseen(texts, progress)
        yield run


def run_experiment(
    run: Run,
    items: Sequence[Item],
    arms: Sequence[Arm],
    options: ExperimentOptions,
    *,
    progress: Progress = SILENT,
) -> Experimented:
    """Do the missing cells, and write what the report reads: see `gather`."""
    start = time.monotonic()
    works = list(works_of(run, items, arms, options))
    measures = works[0].backbones.measures()
    for folder in (works[0].cells_folder, works[0].scores_folder):
        clear_stale(folder)
    mine = list(part(works, options.shard_index, options.num_shards))
    cells = [cell for work in mine for cell in work.cells]
    waiting: list[PairWork] = []

    def there(work: PairWork, key: str) -> bool:
        scored = read_scores(work.scores_folder / key, measures) is not None
        return scored and is_whole(work.cells_folder / key)

    for work in mine:
        missing = tuple(cell for cell in work.cells if not there(work, cell.key))
        if missing or described(run.folder, work.item.name, work.made_of) is None:
            waiting.append(work.model_copy(update={"cells": missing}))
    count = sum(len(work.cells) for work in waiting)
    progress.note(f"{count} of {len(cells)} cells are missing, of {len(waiting)} of {len(mine)} pairs")
    failed: dict[str, str] = {}
    texts = [work.model_dump_json() for work in waiting]
    outcomes = engine_of(options).run(work_on_pair, texts, what="editing pairs", progress=progress)
    try:
        for outcome in outcomes:
            work = waiting[outcome.position]
            told: dict[str, str] = outcome.value or {}
            if outcome.failure is not None:  # the worker is gone, but not what it had finished
                unfinished = [cell.key for cell in work.cells if not there(work, cell.key)]
                told = dict.fromkeys(unfinished, outcome.failure.message)
            for key, reason in told.items():
                note_failure(work.scores_folder / key, reason)
            failed |= told
    finally:  # an interrupted experiment has its tables, too
        gather(run, works, measures, progress=progress)
    names = {_name(cell, options.seeds): cell.key for cell in cells}  # arms may edit alike: one key
    without_result = {name: failed[key] for name, key in names.items() if key in failed}
    return Experimented(
        folder=run.folder,
        done=count - len(without_result),
        earlier=len(cells) - count,
        failed=without_result,
        seconds=round(time.monotonic() - start, 1),
    )


def finish(run: Run, given: Given, done: Experimented, options: ExperimentOptions) -> None:
    """Write into the run file what came of a grid or an ablation, and the sums of its tables.

    Jobs of one array write the tables again as each ends, so theirs have no sums.
    """
    alone = not in_shards(options.shard_index, options.num_shards)
    for name in GATHERED if alone else ():
        if (run.folder / name).is_file():
            run.wrote(name)
    result = {"test_set": given.test_set, "seconds": done.seconds, "done": done.done}
    run.finish(result | {"failed": len(done.failed)})


def _name(cell: Cell, seeds: int) -> str:
    """What people call a cell."""
    return f"{cell.pair} {cell.editor} {cell.arm.name}{f' seed {cell.seed}' if seeds > 1 else ''}"


def digests(
    arms: Sequence[Arm], editors: Sequence[str], clips: Sequence[str] = ("",), seeds: int = 1
) -> dict[str, str]:
    """What tells the arms from others: how they act in the editors, whatever arm or file are called.

    `clips` are names, for arms with an adaptor for each clip, and `seeds` how many there are, for arms with
    one for each seed.
    """

    def digest(arm: Arm) -> str:
        used = arms_as_used([arm], clips, seeds)
        return key_of([one.effect(editor) for one in used for editor in editors])

    return {arm.name: digest(arm) for arm in arms}


def _weights(options: ExperimentOptions) -> list[str]:
    """Digests of all networks that the options name, the four of every experiment first."""
    given = given_contents(options.choice)
    found = {
        name: one.digest for name, one in inputs_of(_bare(options), depth_model=options.depth_model).items()
    }
    first = [found.pop(name, "") for name in _FIRST]
    others = [f"{name} {digest}" for name, digest in found.items()]
    return first + others + [f"{name} {text}" for name, texts in given.items() for text in texts]


def _bare(options: ExperimentOptions) -> ModelChoice:
    """The choice without what counts by its content, wherever it lies."""
    usual = ModelChoice()
    return replace(options.choice, **{name: getattr(usual, name) for name in BY_CONTENT})


def _flow(
    editor: str, settings: dict[str, JsonValue], arm: Arm, options: ExperimentOptions
) -> dict[str, str]:
    """What tells the flow of an edit from the usual one, where any motion is followed in it."""
    if options.flow in (None, USUAL) or editor == REFERENCE:
        return {}
    if not running.motion_reach(registry.make(editor, settings), arm.steadied):
        return {}
    return {"flow": TRUE_FLOW if options.flow == TRUE_FLOW else flow_of(options.flow).identity}


def _effect(editor: str, arm: Arm) -> str:
    """A digest of how an arm acts in an editor; a reference is told by its name."""
    return arm.name if editor == REFERENCE else key_of(arm.effect(editor))


def works_of(
    run: Run, items: Sequence[Item], arms: Sequence[Arm], options: ExperimentOptions
) -> Iterator[PairWork]:
    """One for each pair, with all its cells."""
    loading = Loading(choice=options.choice, depth_model=options.depth_model, threads=options.threads)
    dtype = options.dtype
    if dtype == AUTO:  # others need not be there on this machine, if the work is done elsewhere
        dtype = dtype_name(torch_dtype(dtype, torch_device(options.device)))
    fixed = {"weights": _weights(options), "dtype": dtype, "editing": EDITING}
    chosen = chosen_settings(_bare(options))
    effect_of = cache(_effect)
    contents_of = cache(contents)  # a video has several prompts
    edits: list[tuple[str, dict[str, JsonValue], Arm]] = [
        (editor, settings, arm) for editor, settings in settings_of(options).items() for arm in arms
    ]
    for item in items:
        facts = item.facts()
        idle = ("prompt_syntax",) if isinstance(item, WorldItem) else ()  # its prompts are plain words
        made_by = fixed | {name: value for name, value in chosen.items() if name not in idle}
        files = [[name, contents_of(path)] for name, path in item.files.items()]
        references = [(REFERENCE, {}, Arm(name=name)) for name in reference_names(item)]
        cells: list[Cell] = []
        for editor, settings, given in [*edits, *references]:
            by = made_by | _flow(editor, settings, given, options)
            if editor != REFERENCE and (package := registry.package_of(editor)):
                by |= {"package": package}
            for seed in range(1 if editor == REFERENCE else options.seeds):
                arm = given.of(item.name, seed)
                effect = effect_of(editor, arm)
                cells.append(
                    Cell(
                        pair=item.name,
                        editor=editor,
                        settings=settings,
                        arm=arm,
                        effect=effect,
                        seed=seed,
                        key=key_of(by, facts, files, editor, settings, effect, seed),
                    )
                )
        yield PairWork(
            item=item,
            made_of=key_of(facts, files),
            cells=tuple(cells),
            flow=options.flow,
            loading=loading,
            backbones=Backbones.asked(
                options,
                model=options.model,
                world=isinstance(item, WorldItem),
                strangers=isinstance(item, WorldItem) and item.which in STRANGE,
            ),
            run_folder=run.folder.absolute(),
            cells_folder=(options.cells or run.folder / "cells").absolute(),
        )
