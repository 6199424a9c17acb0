"""Edit many videos: each line of a table is an edit with a run folder of its own."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from frameweave.editing.advice import advise
from frameweave.editing.edit import edit
from frameweave.editing.inputs import given_to_edit
from frameweave.editing.options import EditManyOptions, EditOptions, ModelOptions
from frameweave.editing.setup import load_model
from frameweave.editing.table import check_names, folder_name, read_edits
from frameweave.errors import FrameweaveError
from frameweave.models.loading import MINIATURE, load
from frameweave.models.stable_diffusion import StableDiffusion
from frameweave.progress import SILENT, Progress
from frameweave.runs.engines import engine_of, part
from frameweave.runs.places import RUNS, slug
from frameweave.runs.run import Run
from frameweave.runs.times import seconds

_load = lru_cache(maxsize=1)(load)


def _seed(value: Any) -> int:
    """A drawn one would be another one when the same command goes on."""
    if int(value) < 0:
        raise ValueError(
            f"seed {value}, expected at least 0: each time the table is edited it must be the same"
        )
    return int(value)


COLUMNS: dict[str, Callable[[Any], Any]] = {
    "name": str,
    "source_prompt": str,
    "negative_prompt": str,
    "editor": str,
    "adaptor": str,
    "seed": _seed,
    "frames": int,
    "start": seconds,
    "end": seconds,
    "mask": str,
}
"""What a line may give besides video and prompt."""


@dataclass(frozen=True, kw_only=True)
class ManyEdited:
    """What came of a table."""

    done: int
    """Edits of this run."""
    earlier: int
    """Edits that an earlier run had finished."""
    failed: dict[str, str]
    """Names of the edits that failed, and why."""


def edit_many(table: Path, options: EditManyOptions, *, progress: Progress = SILENT) -> ManyEdited:
    """Edit by every line of a csv or jsonl table, into folders of `options.out`.

    A line has `video` and `prompt`, and may have the columns of `COLUMNS`; paths are relative to the
    table, of adaptors those that exist there. What is finished is not done again, and what is damaged is; an
    edit that fails stops none of the others. A folder whose edit had another video, prompt or setting is one
    that fails, also where a file has other content by now, unless `overwrite` replaces it. Raises
    `DataError` for a table that cannot be read, naming the line, and `InputError` for one without lines and
    for numbers out of range.
    """
    items = [_item(line, table.parent, options) for line in read_edits(table, COLUMNS)]
    check_names(table, [item["name"] for item in items])
    items = list(part(items, options.shard_index, options.num_shards))
    waiting: list[dict[str, Any]] = []
    for item in items:
        state = _state(item)
        if state == "begun":  # it goes on, also where others are replaced
            item["settings"]["overwrite"] = False
        if state != "finished":
            waiting.append(item)
    if len(waiting) < len(items):
        progress.note(f"{len(items) - len(waiting)} of {len(items)} edits are finished already")
    advise(options, [item["prompt"] for item in waiting], progress)
    failed: dict[str, str] = {}
    outcomes = engine_of(options).run(edit_one, waiting, what="editing videos", progress=progress)
    for outcome in outcomes:
        if outcome.failure is not None:
            name = waiting[outcome.position]["name"]
            failed[name] = outcome.failure.message
            progress.note(f"{name}: {outcome.failure.message}")
    return ManyEdited(done=len(waiting) - len(failed), earlier=len(items) - len(waiting), failed=failed)


def edit_one(item: dict[str, Any]) -> dict[str, Any]:
    """One edit, in a worker; the model stays for the next one, and is not loaded for wrong input."""
    options = EditOptions(**item["settings"])
    done = edit(Path(item["video"]), [item["prompt"]], options, load=_kept)[0]
    return {"video": str(done.video), "seconds": done.seconds}


def _kept(options: ModelOptions) -> StableDiffusion:
    """The model of the last edit when it is the same one, whatever its adaptor."""
    return load_model(options, _load)


def _item(line: dict[str, Any], folder: Path, options: EditManyOptions) -> dict[str, Any]:
    """What a worker must know: the edit's own settings over those for all."""
    video = (folder / line["video"]).absolute()  # a worker may have been started in another folder
    own = {key: value for key, value in line.items() if key not in ("video", "prompt", "name")}
    if "mask" in own:
        own["mask"] = str((folder / own["mask"]).absolute())
    if own.get("adaptor", MINIATURE) != MINIATURE and (folder / own["adaptor"]).exists():
        own["adaptor"] = str((folder / own["adaptor"]).absolute())
    name = folder_name(line.get("name") or f"{video.stem}--{slug(line['prompt'], 80)}")
    placed = {key: value.absolute() for key, value in options if isinstance(value, Path)}
    placed["out"] = placed.get("out", (RUNS / "edits").absolute()) / name
    shared = options.replaced(**placed, resume=True).table()
    settings = {key: shared[key] for key in EditOptions.model_fields if key in shared} | own
    return {"name": name, "video": str(video), "prompt": line["prompt"], "settings": settings}


def _state(item: dict[str, Any]) -> Literal["finished", "begun", "other"]:
    """Whether the edit's folder holds its whole result, the beginning of it, or anything else.

    What differs is told by the edit itself.
    """
    try:
        options = EditOptions(**item["settings"])
        given = given_to_edit(Path(item["video"]), [item["prompt"]], options)
        assert options.out is not None
        plan = Run.planned(options.out, "edit", options, given=given, resume=True)
    except (FrameweaveError, OSError):
        return "other"
    return "finished" if plan.finished else "begun" if plan.goes_on else "other"
