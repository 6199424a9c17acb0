"""How a model is asked to run: with little memory, by which attention kernels, compiled or not."""

from dataclasses import replace

import torch

from frameweave.errors import InputError
from frameweave.models.loading.choice import ModelChoice
from frameweave.models.running.compiling import check_compiler, compile_parts
from frameweave.models.running.kernels import AUTO, attend_by, check_kernel
from frameweave.models.running.placement import Placement
from frameweave.models.stable_diffusion import StableDiffusion

_CPU = torch.device("cpu")


def first_place(choice: ModelChoice, device: torch.device) -> torch.device:
    """Where networks lie when they are loaded."""
    return _CPU if choice.low_memory else device


def check_runs(choice: ModelChoice, device: torch.device) -> None:
    """Raise `InputError` when the machine lacks what it takes, before anything is loaded."""
    if choice.compile:
        check_compiler(device)


def as_asked(model: StableDiffusion, choice: ModelChoice, device: torch.device) -> StableDiffusion:
    """The loaded model, ready to run on the device as it is asked for.

    Raises `InputError` for an attention kernel that cannot be had, and for tiles where there can be none.
    """
    if choice.vae_tiles:
        if model.temporal is not None:
            raise InputError(
                f"--vae-tiles with {choice.vae}: a temporal decoder cannot decode in tiles",
                hint="leave --vae-tiles out, or --vae",
            )
        model.vae.enable_tiling()
    for network in (model.unet, *(control.network for control in model.controls)):
        check_kernel(choice.attention, network, device, model.precision)
        if choice.attention != AUTO:
            attend_by(network, choice.attention)
        if choice.compile:
            compile_parts(network)
    if not choice.low_memory or device == _CPU:
        return model
    return placed(replace(model, chunk_size=1), Placement(device))


def placed(model: StableDiffusion, placement: Placement) -> StableDiffusion:
    """The model, whose parts are on the placement's device only while they work."""
    controls = [control.network for control in model.controls]
    tower = [] if model.vision_tower is None else [model.vision_tower.network]
    temporal = [] if model.temporal is None else [model.temporal.network]
    for group in ([*model.text.networks], [model.unet, *controls], [model.vae], temporal, tower):
        if group:
            placement.add(group)
    return replace(model, placement=placement)
