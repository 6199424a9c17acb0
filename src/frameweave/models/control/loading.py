"""ControlNets from folders, hub repositories and single files, each checked against the model."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from diffusers import ControlNetModel, UNet2DConditionModel

from frameweave.diffusion.schedule import Schedule
from frameweave.errors import ModelFolderError
from frameweave.models.control.asked import DEPTH, AskedControl, all_asked
from frameweave.models.control.controls import Control
from frameweave.models.control.fit import check_kind, check_settings
from frameweave.models.control.single_file import controlnet_of
from frameweave.models.loading.choice import ModelChoice
from frameweave.models.loading.hub import resolved
from frameweave.models.loading.places import CONTROL, located
from frameweave.models.loading.strength import Weighted
from frameweave.models.loading.weights import json_object, network, refuse_pickle, unloadable


def load_controls(
    choice: ModelChoice, folder: Path | None, unet: UNet2DConditionModel, schedule: Schedule
) -> tuple[Control, ...]:
    """The ControlNets that are asked for, or else the model folder's own, which is one of depth.

    Raises `InputError` for a text of another form, `ModelFolderError` for a ControlNet that cannot be loaded
    or is made for another kind of model.
    """
    asked: Sequence[AskedControl] = all_asked(choice.controlnet, choice.control)
    if not asked and folder is not None and (folder / CONTROL).is_dir():
        asked = [AskedControl(DEPTH, Weighted(str(folder / CONTROL)))]
    every = range(schedule.T - 1, -1, -1)
    return tuple(
        Control(network=_loaded(one.source.name, unet), kind=one.kind, use=one.source).over(every)
        for one in asked
    )


def _loaded(name: str, unet: UNet2DConditionModel) -> ControlNetModel:
    file = Path(name)
    if file.is_file():
        refuse_pickle(file)
        return controlnet_of(file, unet)
    source, _ = located(resolved(name))
    settings = _settings(source)
    check_kind(name, settings)
    check_settings(name, settings, unet.config)
    return network(ControlNetModel.from_pretrained, source)


def _settings(source: str) -> dict[str, object]:
    """Of its config.json, with diffusers' own for what that does not say."""
    if Path(source).is_dir():
        if not (file := Path(source) / ControlNetModel.config_name).is_file():
            raise ModelFolderError(f"{source}: no {file.name} in it", hint="give a ControlNet's own folder")
        return json_object(file)
    try:
        return dict(cast("dict[str, Any]", ControlNetModel.load_config(source)))
    except Exception as error:
        raise unloadable(Path(source), error) from error
