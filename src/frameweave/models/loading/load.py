"""Load a Stable Diffusion model from a diffusers folder, a single file, a hub id, or the package itself.

Only safetensors files are read: a pickle can run code when it is opened, so `.bin`, `.ckpt` and
`.pt` files are refused.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import torch
from diffusers import UNet2DConditionModel
from torch import nn
from transformers import CLIPVisionModel

from frameweave.diffusion.schedule import Schedule
from frameweave.diffusion.scheduler_config import SchedulerConfig
from frameweave.errors import InputError, ModelFolderError
from frameweave.models.control.loading import load_controls
from frameweave.models.image_prompt.asked import check_asked
from frameweave.models.image_prompt.prompts import load_image_prompts
from frameweave.models.loading.choice import MINIATURE, ModelChoice
from frameweave.models.loading.device import AUTO, HALF, torch_device, torch_dtype
from frameweave.models.loading.fit import check_fit
from frameweave.models.loading.hub import resolved
from frameweave.models.loading.parts import FolderParts, Parts
from frameweave.models.loading.places import VISION, located, single_file
from frameweave.models.loading.single_file.parts import FileParts
from frameweave.models.loading.text import text_side
from frameweave.models.loading.vae import vae_of
from frameweave.models.loading.weights import network
from frameweave.models.loras.fitted import lora_file
from frameweave.models.loras.merging import add_loras
from frameweave.models.running.asked import as_asked, check_runs, first_place
from frameweave.models.stable_diffusion import StableDiffusion
from frameweave.models.stock import channels_last
from frameweave.models.text.embedding_files import embedding_file
from frameweave.models.text.embeddings import with_embeddings
from frameweave.models.text.reading import Reading
from frameweave.models.vision import VisionTower

M = TypeVar("M", bound=nn.Module)


def load(model: str = MINIATURE, **others: Any) -> StableDiffusion:
    """Load a model; `others` are the further fields of `ModelChoice`, such as `device` or `controlnet`.

    Raises what `load_chosen` raises.
    """
    return load_chosen(ModelChoice(model=model, **others))


def load_chosen(choice: ModelChoice) -> StableDiffusion:
    """Load a model and what goes beside it. Offline environment variables of the hub client are respected.

    Raises `ModelFolderError` when a file is missing, damaged, a pickle or of another kind of model,
    `InputError` for an unknown dtype or device.
    """
    device = torch_device(choice.device)
    place, dtype = first_place(choice, device), torch_dtype(choice.dtype, device)
    check_runs(choice, device)
    embedding_files = [embedding_file(text) for text in choice.embedding]
    check_asked(choice)
    lora_files = [lora_file(text) for text in choice.lora]
    parts = parts_of(choice)
    scheduler = SchedulerConfig.read(parts.config("scheduler"))
    schedule = Schedule.of(scheduler)
    if schedule.needs_precision and dtype in HALF:
        if choice.dtype != AUTO:
            raise ModelFolderError(
                f"{parts.source}: its noise schedule ends in pure noise (zero terminal SNR), too near 0 for "
                "half precision",
                hint="give --dtype fp32",
            )
        dtype = torch.float32
    vision_network = _extra(CLIPVisionModel.from_pretrained, parts.folder, VISION, choice.vision)
    unet = parts.network(UNet2DConditionModel, "unet")
    vae, temporal = vae_of(parts, choice.vae)
    model = StableDiffusion(
        vae=vae,
        temporal=temporal,
        unet=unet,
        text=text_side(parts, unet.config, Reading(syntax=choice.prompt_syntax, clip_skip=choice.clip_skip)),
        schedule=schedule,
        prediction=scheduler.prediction_type,
        vision_tower=None if vision_network is None else VisionTower(vision_network),
    )
    check_fit(parts.source, model)
    model = replace(model, controls=load_controls(choice, parts.folder, model.unet, schedule))
    every = range(schedule.T - 1, -1, -1)
    model = replace(model, image_prompts=load_image_prompts(choice, model.unet, every))
    control_networks = [control.network for control in model.controls]
    decoder = None if temporal is None else temporal.network
    overflowing = _overflowing(model)
    for part in (model.vae, decoder, model.unet, *model.text.networks, *control_networks, vision_network):
        if part is not None:
            precise = dtype == torch.float16 and part in overflowing
            nn.Module.to(part.requires_grad_(False).eval(), place, torch.float32 if precise else dtype)
    for part in (model.vae, model.unet, *control_networks):
        channels_last(part)
    add_loras(model, lora_files)
    return as_asked(with_embeddings(model, embedding_files), choice, device)


def parts_of(choice: ModelChoice) -> Parts:
    """Where the parts of the model lie."""
    if (file := single_file(choice.model)) is not None:
        return FileParts.of(file, choice.config)
    source, folder = located(resolved(choice.model))
    if choice.config is not None:
        raise InputError(
            f"--model-config {choice.config} with the model {choice.model}, which has settings of its own",
            hint="leave --model-config out: it says how a single file is read",
        )
    parts = FolderParts(source, folder)
    parts.check()
    return parts


def _overflowing(model: StableDiffusion) -> list[nn.Module]:
    """Its networks that need more than fp16."""
    found: list[nn.Module] = [model.vae] if model.vae_overflows else []
    return found + ([model.temporal.network] if model.temporal and model.temporal.overflows else [])


def _extra(from_pretrained: Callable[..., M], folder: Path | None, part: str, named: str | None) -> M | None:
    """A network beside the usual parts: the one named, or the model folder's own, or none."""
    if named is not None:
        return network(from_pretrained, located(resolved(named))[0])
    if folder is not None and (folder / part).is_dir():
        return network(from_pretrained, str(folder), part)
    return None
