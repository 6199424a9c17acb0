"""Load a Stable Diffusion model from a diffusers folder, a hub id, or the package itself.

Only safetensors files are read: a pickle can run code when it is opened, so `.bin`, `.ckpt` and
`.pt` files are refused.
"""

import json
from collections.abc import Callable
from contextlib import suppress
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar, cast

import torch
from diffusers import AutoencoderKL, ControlNetModel, DDIMScheduler, UNet2DConditionModel
from safetensors import SafetensorError, safe_open
from torch import nn
from transformers import CLIPTextModel, CLIPTokenizer, CLIPVisionModel

from frameweave.diffusion.schedule import Schedule
from frameweave.errors import InputError, ModelFolderError
from frameweave.models.stable_diffusion import StableDiffusion
from frameweave.models.stock import channels_last
from frameweave.models.vision import VisionTower

MINIATURE = "miniature"
DTYPES = {
    "fp32": torch.float32,
    "fp16": torch.float16,
    "bf16": torch.bfloat16,
    "fp64": torch.float64,
}
_PICKLES = (".bin", ".ckpt", ".pt", ".pth", ".pkl")
_SPECIAL = 2  # words that every tokenizer has: begin and end
CONTROL, VISION, DEPTH = "controlnet", "clip", "depth_estimator"
"""The folders of networks that a model may have beside the usual ones."""
_PARTS = ("vae", "unet", "text_encoder", "tokenizer", "scheduler")

_UNLOADABLE = (OSError, ValueError, RuntimeError, SafetensorError, KeyError)

M = TypeVar("M", bound=nn.Module)
T = TypeVar("T")


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
        raise InputError(f"dtype {dtype!r}", hint=f"choose from {', '.join(DTYPES)}")
    place = torch_device(device)
    if place.type == "mps" and dtype == "fp64":
        raise InputError("Apple's GPUs have no double precision", hint="give --device cpu, or --dtype fp32")
    source, folder = located(name)
    if folder is not None:
        _check_folder(folder)
    scheduler = _scheduler_config(source)
    control_network = _extra(ControlNetModel, folder, CONTROL, controlnet)
    vision_network = _extra(CLIPVisionModel, folder, VISION, vision)
    text_encoder = _weights(CLIPTextModel, source, "text_encoder")
    model = StableDiffusion(
        vae=_weights(AutoencoderKL, source, "vae"),
        unet=_weights(UNet2DConditionModel, source, "unet"),
        text_encoder=text_encoder,
        tokenizer=_tokenizer(source, text_encoder),
        schedule=Schedule.from_config(scheduler),
        prediction=str(scheduler.get("prediction_type", "epsilon")),
        controlnet=control_network,
        vision_tower=None if vision_network is None else VisionTower(vision_network),
    )
    _check_fit(source, model)
    for network in (model.vae, model.unet, model.text_encoder, control_network, vision_network):
        if network is not None:
            nn.Module.to(network.requires_grad_(False).eval(), place, DTYPES[dtype])
    for network in (model.vae, model.unet, control_network):
        if network is not None:
            channels_last(network)
    return model


def has_part(name: str, part: str, named: str | None) -> bool:
    """Whether a model would have a network beside the usual ones, the named one or the folder's own.

    Nothing is loaded. `part` is `CONTROL`, `VISION` or `DEPTH`.
    """
    _, folder = located(name)
    return named is not None or (folder is not None and (folder / part).is_dir())


def torch_device(name: str) -> torch.device:
    """The device of that name; `auto` is the best there is. Raises `InputError` when it is absent."""
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return torch.device(next(kind for kind in ("cuda", "mps", "cpu") if there[kind]))
    kind = name.split(":", maxsplit=1)[0]
    if not there.get(kind, False):
        raise InputError(
            f"device {name!r} is not here",
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
    if name.count("/") != 1 or name.startswith((".", "/")):
        raise ModelFolderError(
            f"model {name!r}: no such folder, and not a hub id (owner/name)",
            hint=f"give {MINIATURE!r}, a folder, or e.g. stable-diffusion-v1-5/stable-diffusion-v1-5",
        )
    return name, None


def refuse_pickle(file: Path) -> None:
    """Raise `ModelFolderError` for a file whose name says that it is a pickle."""
    if file.suffix.lower() in _PICKLES:
        raise ModelFolderError(
            f"{file}: a pickle file can run code when it is opened and is refused",
            hint="convert it to safetensors on a machine without valuable data",
        )


def _check_folder(folder: Path) -> None:
    """Missing parts, pickles and torn files, found before anything is built."""
    for part in _PARTS:
        if not (folder / part).is_dir():
            found = ", ".join(sorted(path.name for path in folder.iterdir())) or "nothing"
            raise ModelFolderError(
                f"{folder}: no {part} folder in it (found {found})", hint="give a complete diffusers folder"
            )
    for part in _PARTS:
        check_weights(folder / part)


def check_weights(folder: Path) -> None:
    """Raise `ModelFolderError` when a folder's only weights are pickles, or a safetensors file is torn."""
    if not folder.is_dir():
        return
    tensors = sorted(folder.glob("*.safetensors"))
    pickles = sorted(path for path in folder.iterdir() if path.suffix in _PICKLES)
    if pickles and not tensors:
        refuse_pickle(pickles[0])
    for file in tensors:
        try:
            with safe_open(file, "pt"):
                pass
        except (SafetensorError, OSError) as error:
            raise ModelFolderError(f"{file}: damaged ({error})", hint="copy or download it again") from error


def _check_fit(source: str, model: StableDiffusion) -> None:
    """Raise `ModelFolderError` for networks that do not belong together; else the first step would fail."""
    unet = model.unet.config
    width, expected = int(unet["cross_attention_dim"]), int(model.text_encoder.config.hidden_size)
    if width != expected or unet.get("addition_embed_type") is not None:
        raise ModelFolderError(
            f"{source}: no Stable Diffusion 1.x or 2.x model: its UNet reads texts {width} wide and "
            f"{unet.get('addition_embed_type') or 'nothing else'}, the text encoder writes {expected}",
            hint="give such a model; SDXL and later ones are not supported",
        )
    if unet["in_channels"] not in (model.channels, 2 * model.channels):
        raise ModelFolderError(
            f"{source}: a UNet of {unet['in_channels']} input channels, expected {model.channels}, or "
            f"{2 * model.channels} for a model that edits by instruction",
            hint="models for inpainting and the like cannot be used",
        )
    if model.controlnet is not None and (own := model.controlnet.config["cross_attention_dim"]) != width:
        raise ModelFolderError(
            f"the ControlNet reads texts {own} wide, the model's are {width}",
            hint="name a --controlnet made for this version of Stable Diffusion",
        )


def _weights(kind: type[M], source: str, part: str) -> M:
    folder = Path(source) / part

    def weights(variant: str | None) -> M:
        return kind.from_pretrained(source, subfolder=part, use_safetensors=True, variant=variant)  # pyright: ignore

    try:
        return in_some_precision(folder, weights)
    except _UNLOADABLE as error:
        raise ModelFolderError(
            f"{folder}: cannot be loaded ({str(error).strip().splitlines()[0]})",
            hint="check the folder or the connection, and that it holds safetensors files",
        ) from error


def in_some_precision(folder: Path, load: Callable[[str | None], T]) -> T:
    """What `load` makes of the first variant that it can load; `folder` may be of a hub repository.

    Raises what the first attempt raised when none succeeds.
    """
    first, *others = _variants_of(folder)
    try:
        return load(first)
    except _UNLOADABLE:
        for variant in others:
            with suppress(*_UNLOADABLE):
                return load(variant)
        raise


def _variants_of(folder: Path) -> list[str | None]:
    """Which precisions to ask for: of a local folder fp16 if there is no other, of a hub repository both."""
    if not folder.is_dir():
        return [None, "fp16"]
    names = [path.name for path in folder.glob("*.safetensors")]
    return ["fp16" if names and all(".fp16" in name for name in names) else None]


def _tokenizer(source: str, text_encoder: CLIPTextModel) -> CLIPTokenizer:
    """Raises `ModelFolderError` for one that does not fit the text encoder, as an empty folder's does."""
    try:
        tokenizer = CLIPTokenizer.from_pretrained(source, subfolder="tokenizer")
    except (OSError, ValueError) as error:
        raise ModelFolderError(
            f"{source}/tokenizer: cannot be loaded ({error})", hint="copy it again"
        ) from error
    config = text_encoder.config
    words, length = len(tokenizer), tokenizer.model_max_length
    if not _SPECIAL < words <= config.vocab_size or length > config.max_position_embeddings:
        raise ModelFolderError(
            f"{source}/tokenizer: {words} words and texts of up to {length} tokens, the text encoder takes "
            f"{config.vocab_size} words and {config.max_position_embeddings} tokens",
            hint="copy the tokenizer folder again, with all its files",
        )
    return tokenizer


def _scheduler_config(source: str) -> dict[str, Any]:
    try:
        return dict(cast("dict[str, Any]", DDIMScheduler.load_config(source, subfolder="scheduler")))
    except (OSError, json.JSONDecodeError) as error:
        raise ModelFolderError(
            f"{source}/scheduler: cannot be read ({str(error).strip().splitlines()[0]})",
            hint="check the name, the folder or the connection",
        ) from error


def _extra(kind: type[M], folder: Path | None, part: str, named: str | None) -> M | None:
    """A network beside the usual parts: the one named, or the model folder's own, or none."""
    if named is not None:
        where, local = located(named)
        if local is not None:
            check_weights(local)
        return _weights(kind, where, "")
    if folder is not None and (folder / part).is_dir():
        check_weights(folder / part)
        return _weights(kind, str(folder), part)
    return None
