"""What is asked of an experiment, looked at before a run folder is made or anything is trained."""

import itertools
from collections.abc import Sequence
from pathlib import Path

from pydantic import JsonValue

from frameweave.adaptor.adaptor import load_adaptor
from frameweave.editing.setup import lacking
from frameweave.editing.steering import check_pictures
from frameweave.editors import registry
from frameweave.errors import InputError
from frameweave.measuring.experiments.arms import Arm
from frameweave.measuring.experiments.items import (
    STRANGE,
    Item,
    set_name,
    table_items,
    table_name,
    world_items,
)
from frameweave.measuring.experiments.measures import Backbones
from frameweave.measuring.experiments.pairs import TRUE_FLOW
from frameweave.measuring.options import ExperimentOptions
from frameweave.models.control import asked as control_asked
from frameweave.models.control.asked import all_asked
from frameweave.models.image_prompt.asked import check_asked
from frameweave.models.loading.device import torch_device
from frameweave.models.loading.places import CONTROL, DEPTH, has_part, place, vision_width
from frameweave.models.vision import NAME_A_TOWER
from frameweave.runs.engines import in_shards
from frameweave.video.motion.flows import flow_names, flow_of

_PLACES = ("model", "controlnet", "depth_model", "vision", "config", "vae")
"""Options that name something to load."""


def items_of(table: Path | None, options: ExperimentOptions) -> tuple[Sequence[Item], str]:
    """What is edited, and the name of that test set: a table's lines, or the world's held-out clips.

    Raises `InputError` for a device that is not here and an editor whose depth
    networks are missing, `DataError` for a bad table and for videos that are not there, `ModelFolderError`
    for a model or weights that are missing: all before a run folder is made or anything is trained.
    """
    if options.overwrite and in_shards(options.shard_index, options.num_shards):
        raise InputError(
            "--overwrite in shards: each would delete what the others made",
            hint="delete the folder first, then start the shards without it",
        )
    if options.ray_address is None:  # the work is done here
        torch_device(options.device)
    settings_of(options)
    _check_flow(options.flow, world=table is None)
    if table is None and options.model != "miniature":
        raise InputError(
            f"no table of videos: the world's clips are made for the packaged model, not for {options.model}",
            hint="give a table with the columns video and prompt",
        )
    for name in (getattr(options, kind) for kind in _PLACES):
        if name is not None:
            place(name)
    check_asked(options.choice)
    _check_depth(options, estimated=table is not None)
    strangers = table is None and options.clip_set in STRANGE
    Backbones.asked(options, model=options.model, world=table is None, strangers=strangers).measures()
    if table is None:
        items = world_items(options.clip_set, options.clips, options.frames, options.changes)
        return items, set_name(options.clip_set, options.clips, options.changes)
    return table_items(table, options.frames, options.size), table_name(table)


def _check_flow(name: str | None, *, world: bool) -> None:
    """Raise `InputError` for a flow that no clip or not every clip has."""
    if name == TRUE_FLOW:
        if not world:
            raise InputError(
                f"--flow {TRUE_FLOW} with a table: the true flow is known of the Miniature's clips only",
                hint="give another --flow, such as dis",
            )
    elif flow_of(name).path is not None:
        raise InputError(
            f"--flow {name}: one file for many clips, expected a name",
            hint=f"give {', '.join(flow_names())} or {TRUE_FLOW}",
        )


def settings_of(options: ExperimentOptions) -> dict[str, dict[str, JsonValue]]:
    """By editor, the settings of its edits. Raises `InputError` for one that no editor has or can take."""
    asked = registry.asked_of_each(options.editors, options.set)
    settings = {editor: {"steps": options.steps} | asked[editor] for editor in options.editors}
    made = {editor: registry.make(editor, given) for editor, given in settings.items()}
    registry.check_acting_in_some(made, asked)
    return settings


def _check_depth(options: ExperimentOptions, *, estimated: bool) -> None:
    """Raise `InputError` for an editor that needs depth where nothing steers by it or estimates it."""
    asked = all_asked(options.controlnet, options.control)
    for one in asked:
        place(one.source.name)
    check_pictures(options.controlnet, options.control, ())
    made = [registry.make(editor, settings) for editor, settings in settings_of(options).items()]
    if options.steers and not any(editor.needs_depth for editor in made):
        raise InputError(
            f"a ControlNet is asked for, and none of {', '.join(options.editors)} is steered by ControlNets",
            hint="name one that is, such as text2video_zero, or give --set controlnet=true for tokenflow",
        )
    kinds = [one.kind for one in asked] or [control_asked.DEPTH]
    lacks = lacking(
        controlnet=bool(asked) or has_part(options.model, CONTROL, None),
        estimator=not (estimated and control_asked.DEPTH in kinds)
        or has_part(options.model, DEPTH, options.depth_model),
    )
    for editor, settings in settings_of(options).items():
        if lacks and registry.make(editor, settings).needs_depth:
            what, flag = lacks
            raise InputError(
                f"{editor} needs depth, and {options.model} has no {what}",
                hint=f"name one with {flag}, or leave {editor} out of --editors",
            )


def check_vision(arms: Sequence[Arm], options: ExperimentOptions) -> None:
    """Raise `InputError` for an arm whose prompt tokens act where no vision tower is to see the sources.

    Raises `AdaptorMismatch` where it has another width than in the tokens' training.
    """
    width = vision_width(options.model, options.vision)
    for arm, editor in itertools.product(arms, options.editors):
        use = arm.use(editor)
        if arm.adaptor is None or use is None or not use.reads_frames:
            continue
        if width is not None:
            load_adaptor(arm.adaptor).check_vision(width)
        else:
            raise InputError(
                f"the prompt tokens of {arm.name} act in {editor}, and the model has no vision tower",
                hint=f"{NAME_A_TOWER}, or leave out the tokens",
            )
