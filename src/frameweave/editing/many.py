"""Edit many videos: each line of a table is an edit with a run folder of its own."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator

from frameweave.adaptor.packaged import PACKAGED
from frameweave.editing.adapting import settled
from frameweave.editing.advice import advise, check_alone, what_is_said
from frameweave.editing.edit import edit
from frameweave.editing.given.anchors import placed_in
from frameweave.editing.inputs import given_to_edit
from frameweave.editing.model_options import ModelOptions
from frameweave.editing.options import EditManyOptions, EditOptions
from frameweave.editing.setup import load_model
from frameweave.editing.table import EditLine, check_names, folder_name, read_edits
from frameweave.errors import FrameweaveError
from frameweave.models.loading.kept import Kept
from frameweave.models.stable_diffusion import StableDiffusion
from frameweave.progress import SILENT, Notes, Progress
from frameweave.runs.engines import engine_of, part
from frameweave.runs.places import RUNS, slug
from frameweave.runs.records import JsonObject, Record
from frameweave.runs.run import Run
from frameweave.runs.settings import Seconds
from frameweave.video.motion.flows import flow_of
from frameweave.video.sequences import name_of_clip

_load = Kept()


def _whole(value: Any) -> int:
    """Tables of other programs hold whole numbers as 2.0, too."""
    try:
        found = float(value)
    except TypeError as error:
        raise ValueError(str(error)) from error
    except ValueError:
        found = 0.5
    if isinstance(value, bool) or not found.is_integer():
        raise ValueError(f"{value}, expected a whole number")
    return int(found)


def _seed(value: object) -> int:
    """A drawn one would be another one when the same command goes on."""
    if (seed := _whole(value)) < 0:
        raise ValueError(
            f"seed {value}, expected at least 0: each time the table is edited it must be the same"
        )
    return seed


def _parted(value: object) -> object:
    """What a cell of a csv table lists."""
    return [part.strip() for part in value.split(";") if part.strip()] if isinstance(value, str) else value


class Line(EditLine):
    """A line of the table. Whether its values fit is told by the edit itself."""

    editor: str = ""
    adaptor: str = ""
    seed: Annotated[int, BeforeValidator(_seed)] = 0
    frames: Annotated[int, BeforeValidator(_whole)] = 0
    start: Seconds = 0.0
    end: Seconds = 0.0
    mask: str = ""
    anchor: Annotated[tuple[str, ...], BeforeValidator(_parted)] = ()
    """Of a csv table a text such as 0=first.png; 40=later.png."""
    flow: str = ""


class Item(Record):
    """What a worker must know of an edit; it travels there as JSON."""

    name: str
    video: str
    prompt: str
    settings: JsonObject
    """The edit's own over those for all."""


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

    A line has `video` and `prompt`, and may have the other columns of `Line`; paths are relative to the
    table, of adaptors those that exist there. What is finished is not done again, and what is damaged is; an
    edit that fails stops none of the others. A folder whose edit had another video, prompt or setting is one
    that fails, also where a file has other content by now, unless `overwrite` replaces it. Raises
    `DataError` for a table that cannot be read, naming the line, and `InputError` for one without lines and
    for numbers out of range.
    """
    check_alone(options)
    if (flow := flow_of(options.flow).path) is not None:
        options = options.replaced(flow=str(flow.absolute()))
    items = [_item(line, table.parent, options) for line in read_edits(table, Line)]
    check_names(table, [item.name for item in items])
    items = list(part(items, options.shard_index, options.num_shards))
    waiting: list[Item] = []
    for item in items:
        match _state(item):
            case "begun":  # it goes on, also where others are replaced
                waiting.append(item.model_copy(update={"settings": item.settings | {"overwrite": False}}))
            case "other":
                waiting.append(item)
            case "finished":
                pass
    if len(waiting) < len(items):
        progress.note(f"{len(items) - len(waiting)} of {len(items)} edits are finished already")
    said = ("source_prompt", "negative_prompt")
    texts = [str(item.settings.get(name, "")) for item in waiting for name in said]
    advise(options, [*(item.prompt for item in waiting), *texts], progress)
    failed, told = dict[str, str](), set[str]()
    outcomes = engine_of(options).run(
        edit_one, [item.as_json() for item in waiting], what="editing videos", progress=progress
    )
    for outcome in outcomes:
        if outcome.failure is not None:
            name = waiting[outcome.position].name
            failed[name] = outcome.failure.message
            progress.note(f"{name}: {outcome.failure.message}")
        for note in outcome.value or ():
            if note not in told:  # those of all edits are said once
                told.add(note)
                progress.note(f"{waiting[outcome.position].name}: {note}")
    return ManyEdited(done=len(waiting) - len(failed), earlier=len(items) - len(waiting), failed=failed)


def edit_one(text: str) -> list[str]:
    """One edit, in a worker; the model stays for the next one, and is not loaded for wrong input.

    Returns what is to be said of it, but for what was said of the whole table.
    """
    item, said, notes = Item.model_validate_json(text), Notes(), Notes()
    options = EditOptions.of_table(item.settings)
    advise(options, [item.prompt, options.source_prompt], said)
    edit(Path(item.video), [item.prompt], options, load=_kept, progress=notes)
    return [note for note in notes.texts if note not in said.texts]


def _kept(options: ModelOptions) -> StableDiffusion:
    """The model of the last edit when it is the same one, whatever its adaptor."""
    return load_model(options, _load)


def _item(line: Line, folder: Path, options: EditManyOptions) -> Item:
    video = (folder / line.video).absolute()  # a worker may have been started in another folder
    own: JsonObject = line.model_dump(exclude_unset=True, exclude={"video", "prompt", "name"})
    if line.mask:
        own["mask"] = str((folder / line.mask).absolute())
    if line.anchor:
        own["anchor"] = list(placed_in(folder, line.anchor))
    if line.adaptor not in ("", *PACKAGED) and (folder / line.adaptor).exists():
        own["adaptor"] = str((folder / line.adaptor).absolute())
    if line.flow and (folder / line.flow).exists():
        own["flow"] = str((folder / line.flow).absolute())
    name = folder_name(line.name or f"{name_of_clip(video)}--{slug(what_is_said(line.prompt, options), 80)}")
    placed = {key: value.absolute() for key, value in options if isinstance(value, Path)}
    placed["out"] = placed.get("out", (RUNS / "edits").absolute()) / name
    shared = options.replaced(**placed, anchor=placed_in(Path(), options.anchor), resume=True).table()
    settings = {key: shared[key] for key in EditOptions.model_fields if key in shared} | own
    return Item(name=name, video=str(video), prompt=line.prompt, settings=settings)


def _state(item: Item) -> Literal["finished", "begun", "other"]:
    """Whether the edit's folder holds its whole result, the beginning of it, or anything else.

    What differs is told by the edit itself.
    """
    try:
        options = EditOptions.of_table(item.settings)
        options = settled(options, [item.prompt, options.source_prompt])
        given = given_to_edit(Path(item.video), [item.prompt], options)
        assert options.out is not None
        plan = Run.planned(options.out, "edit", options, given=given, resume=True)
    except (FrameweaveError, OSError):
        return "other"
    return "finished" if plan.finished else "begun" if plan.goes_on else "other"
