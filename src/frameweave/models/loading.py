"""Load a Stable Diffusion model from a diffusers folder, a hub id, or the package itself.

Only safetensors files are read: a pickle can run code when it is opened, so `.bin`, `.ckpt` and
`.pt` files are refused.
"""

from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import TypeVar, cast

import torch
from diffusers import AutoencoderKL, ControlNetModel, DDIMScheduler, UNet2DConditionModel
from torch import nn
from transformers import CLIPTextModel, CLIPVisionConfig, CLIPVisionModel

from frameweave.diffusion.schedule import Schedule
from frameweave.diffusion.scheduler_config import SchedulerConfig
from frameweave.errors import InputError, ModelFolderError
from frameweave.models.fit import check_fit
from frameweave.models.hub import is_hub_id, resolved
from frameweave.models.stable_diffusion import StableDiffusion
from frameweave.models.stock import channels_last
from frameweave.models.tokenizer import clip_tokenizer
from frameweave.models.vision import VisionTower
from frameweave.models.weights import json_object, network, refuse_pickle, unloadable

MINIATURE = "miniature"
DTYPES = {
    "fp32": torch.float32,
    "fp16": torch.float16,
    "bf16": torch.bfloat16,
    "fp64": torch.float64,
}
CONTROL, VISION, DEPTH = "controlnet", "clip", "depth_estimator"
"""The folders of networks that a model may have beside the usual ones."""
_PARTS = ("vae", "unet", "text_encoder", "tokenizer", "scheduler")

M = TypeVar("M", bound=nn.Module)


def miniature_folder() -> Path:
    """The model that ships in the package: an ordinary diffusers folder."""
    return Path(str(files("frameweave"))) / "miniature" / "weights"


def load(
    name: str = MINIATURE,
    *,
    dtype: str = "fp32",
    device: str = "auto",
    controlnet: str | None = None,
    vision: str | None = None,
) -> StableDiffusion:
    """Load "miniature", a diffusers folder, or a hub id such as stable-diffusion-v1-5/stable-diffusion-v1-5.

    `dtype` is fp32, fp16, bf16 or fp64; `device` is auto, cpu, cuda or mps. `controlnet` names a depth
    ControlNet, `vision` a CLIP vision tower (folder or hub id); by default the model folder's own
    `controlnet` and `clip` are taken, if any.
    Offline environment variables of the hub client are respected.

    Raises `ModelFolderError` when a file is missing, damaged or a pickle, `InputError` for an
    unknown dtype or device.
    """
    if dtype not in DTYPES:
        raise InputError(f"unknown dtype {dtype!r}", hint=f"choose from {', '.join(DTYPES)}")
    place = torch_device(device)
    if place.type == "mps" and dtype == "fp64":
        raise InputError("Apple's GPUs have no double precision", hint="give --device cpu, or --dtype fp32")
    source, folder = located(resolved(name))
    if folder is not None:
        _check_folder(folder)
    scheduler = SchedulerConfig.read(_scheduler_settings(source, folder))
    schedule = Schedule.of(scheduler)
    if schedule.needs_precision and dtype in ("fp16", "bf16"):
        raise ModelFolderError(
            f"{source}: its noise schedule ends in pure noise (zero terminal SNR), too near 0 for {dtype}",
            hint="give --dtype fp32",
        )
    control_network = _extra(ControlNetModel.from_pretrained, folder, CONTROL, controlnet)
    vision_network = _extra(CLIPVisionModel.from_pretrained, folder, VISION, vision)
    text_encoder = network(CLIPTextModel.from_pretrained, source, "text_encoder")
    model = StableDiffusion(
        vae=network(AutoencoderKL.from_pretrained, source, "vae"),
        unet=network(UNet2DConditionModel.from_pretrained, source, "unet"),
        text_encoder=text_encoder,
        tokenizer=clip_tokenizer(source, "tokenizer", text_encoder.config),
        schedule=schedule,
        prediction=scheduler.prediction_type,
        controlnet=control_network,
        vision_tower=None if vision_network is None else VisionTower(vision_network),
    )
    check_fit(source, model)
    for part in (model.vae, model.unet, model.text_encoder, control_network, vision_network):
        if part is not None:
            nn.Module.to(part.requires_grad_(False).eval(), place, DTYPES[dtype])
    for part in (model.vae, model.unet, control_network):
        if part is not None:
            channels_last(part)
    return model


def has_part(name: str, part: str, named: str | None) -> bool:
    """Whether a model would have a network beside the usual ones, the named one or the folder's own.

    Nothing is loaded. `part` is `CONTROL`, `VISION` or `DEPTH`.
    """
    _, folder = located(name)
    return named is not None or (folder is not None and (folder / part).is_dir())


def vision_width(name: str, named: str | None) -> int | None:
    """Width of the vision tower that a model would have, read from its settings alone; None without one.

    Raises `ModelFolderError` when they cannot be read.
    """
    source, folder = located(name)
    part = VISION
    if named is not None:
        (source, _), part = located(resolved(named)), ""
    elif folder is None or not (folder / VISION).is_dir():
        return None
    try:
        config = CLIPVisionConfig.from_pretrained(source, subfolder=part)
    except Exception as error:
        raise unloadable(Path(source) / part, error) from error
    return int(config.hidden_size)


def torch_device(name: str) -> torch.device:
    """The device of that name; `auto` is the best there is. Raises `InputError` when it is absent."""
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return torch.device(next(kind for kind in ("cuda", "mps", "cpu") if there[kind]))
    kind = name.split(":", maxsplit=1)[0]
    if not there.get(kind, False):
        raise InputError(
            f"device {name!r} is not available on this machine",
            hint=f"choose from auto, {', '.join(k for k, v in there.items() if v)}",
        )
    return torch.device(name)


def located(name: str) -> tuple[str, Path | None]:
    """Where to load a model from, and the local folder if it is one.

    Raises `ModelFolderError` for a file, and for what is neither a folder nor like a hub id.
    """
    folder = miniature_folder() if name == MINIATURE else Path(name)
    if folder.is_dir():
        return str(folder), folder
    refuse_pickle(folder)
    if folder.is_file():
        raise ModelFolderError(
            f"{folder}: a file, expected a diffusers folder",
            hint=f"convert it: diffusers' StableDiffusionPipeline.from_single_file({str(folder)!r})"
            ".save_pretrained(folder), then give that folder",
        )
    if not is_hub_id(name):
        raise ModelFolderError(
            f"model {name!r}: no such folder, and not a hub id (owner/name)",
            hint=f"give {MINIATURE!r}, a folder, or e.g. stable-diffusion-v1-5/stable-diffusion-v1-5",
        )
    return name, None


def _check_folder(folder: Path) -> None:
    """Missing parts, pickles and torn files, found before anything is built."""
    for part in _PARTS:
        if not (folder / part).is_dir():
            found = ", ".join(sorted(path.name for path in folder.iterdir())) or "nothing"
            raise ModelFolderError(
                f"{folder}: no {part} folder in it (found {found})", hint="give a complete diffusers folder"
            )
    if (index := folder / "model_index.json").is_file():
        json_object(index)


def _scheduler_settings(source: str, folder: Path | None) -> dict[str, object]:
    if folder is not None:
        return json_object(folder / "scheduler" / DDIMScheduler.config_name)
    try:
        return dict(cast("dict[str, object]", DDIMScheduler.load_config(source, subfolder="scheduler")))
    except Exception as error:
        raise unloadable(Path(source) / "scheduler", error) from error


def _extra(from_pretrained: Callable[..., M], folder: Path | None, part: str, named: str | None) -> M | None:
    """A network beside the usual parts: the one named, or the model folder's own, or none."""
    if named is not None:
        return network(from_pretrained, located(resolved(named))[0])
    if folder is not None and (folder / part).is_dir():
        return network(from_pretrained, str(folder), part)
    return None
