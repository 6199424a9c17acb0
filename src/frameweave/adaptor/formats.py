"""The LoRA in the layouts that other programs read.

diffusers, PEFT   `unet.<layer>.lora_A.weight`; no alpha, so alpha / rank is folded into B
kohya             `lora_unet_<layer with underscores>.lora_down.weight` with a 0-dim `.alpha`, as
                  A1111, Forge, ComfyUI and InvokeAI read it; SDXL's layers have their sgm names

A window is no part of either layout: those programs apply the LoRA at every timestep unless told
otherwise. Both headers say so, in the fields of Stability AI's ModelSpec.
"""

import json
import re
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from frameweave.adaptor.card import Card
from frameweave.adaptor.sgm import own_name, sgm_name
from frameweave.diffusion.schedule import TRAINING_T
from frameweave.errors import ModelFolderError
from frameweave.models.loading.weights import refuse_pickle
from frameweave.runs.atomic import staged

DIFFUSERS_FILE = "pytorch_lora_weights.safetensors"
"""The name that `load_lora_weights` looks for in a folder."""
KOHYA_FILE = "kohya.safetensors"
"""Rename it as you like: interfaces show a LoRA by the name of its file."""
SD1 = "320-640-1280-1280 x 768"
"""The architecture of Stable Diffusion 1.x; see `adaptor.architecture`."""
SD2 = "320-640-1280-1280 x 1024"
"""The architecture of Stable Diffusion 2.x."""
SDXL = "320-640-1280 x 2048"
"""The architecture of SDXL."""
KINDS = {SD1: "Stable Diffusion 1.x", SD2: "Stable Diffusion 2.x", SDXL: "SDXL"}
FOR_WHOM = {
    "adaptor.safetensors": "Frameweave",
    DIFFUSERS_FILE: "diffusers and PEFT",
    KOHYA_FILE: "ComfyUI, A1111, Forge and InvokeAI",
}
"""The files of an adaptor, and the programs that read them."""

_UNET, _KOHYA = "unet.", "lora_unet_"
_PREDICTIONS = {"epsilon": "epsilon", "v_prediction": "v", "sample": "sample"}
_HALVES = {"lora_A": "lora_down", "lora_B": "lora_up"}
# Kohya's names have underscores for dots; these parts of a UNet's names have underscores of their own.
_COMPOUND = (
    "down_blocks", "up_blocks", "mid_block", "transformer_blocks", "to_q", "to_k", "to_v", "to_out",
    "proj_in", "proj_out", "conv_in", "conv_out", "conv_shortcut", "time_emb_proj", "time_embedding",
    "linear_1", "linear_2",
)  # fmt: skip
_KEY = re.compile(r"(.+)\.(lora_A|lora_B|lora_down|lora_up)\.weight")


def diffusers_layout(lora: dict[str, Tensor], card: Card) -> dict[str, Tensor]:
    """What a stock `StableDiffusionPipeline.load_lora_weights` takes, from peft names; strength 1 is 1.

    Each A is (rank, in), each B (out, rank), float32.
    """
    ratio = card.alpha / card.rank
    return {
        _UNET + name: _plain(weight * ratio if ".lora_B." in name else weight)
        for name, weight in lora.items()
    }


def kohya_layout(lora: dict[str, Tensor], card: Card) -> dict[str, Tensor]:
    """The same in kohya's layout: down (rank, in), up (out, rank) and alpha () of each layer, float32."""
    tensors: dict[str, Tensor] = {}
    for name, weight in lora.items():
        layer, half = _split(name)
        module = kohya_name(layer, sgm=card.architecture == SDXL)
        tensors[f"{module}.{_HALVES[half]}.weight"] = _plain(weight)
        tensors[f"{module}.alpha"] = torch.tensor(float(card.alpha))
    return tensors


def kohya_name(layer: str, *, sgm: bool = False) -> str:
    """Kohya's name of a UNet's layer; SDXL's layers have sgm names there.

    >>> kohya_name("mid_block.attentions.0.transformer_blocks.0.attn1.to_out.0")
    'lora_unet_mid_block_attentions_0_transformer_blocks_0_attn1_to_out_0'
    >>> kohya_name("mid_block.attentions.0.transformer_blocks.0.attn1.to_out.0", sgm=True)
    'lora_unet_middle_block_1_transformer_blocks_0_attn1_to_out_0'
    """
    return _KOHYA + (sgm_name(layer) if sgm else layer).replace(".", "_")


def layer_name(module: str) -> str:
    """The UNet's layer of a name in kohya's layout: the inverse of `kohya_name`.

    >>> layer_name("lora_unet_mid_block_attentions_0_transformer_blocks_0_attn1_to_out_0")
    'mid_block.attentions.0.transformer_blocks.0.attn1.to_out.0'
    """
    dotted = f".{own_name(module.removeprefix(_KOHYA)).replace('_', '.')}."
    for part in _COMPOUND:
        dotted = dotted.replace(f".{part.replace('_', '.')}.", f".{part}.")
    return dotted.strip(".")


def modelspec(card: Card) -> dict[str, str]:
    """Header fields of Stability AI's ModelSpec: for what the LoRA is, and how it is meant to be used."""
    first, last = card.window(TRAINING_T).values
    base = f"unet-{card.architecture.replace(' ', '-')}"
    if card.architecture == SD1:
        base = "stable-diffusion-v1"
    if card.architecture == SD2:
        base = f"stable-diffusion-v2-{'768-v' if card.prediction == 'v_prediction' else '512'}"
    if card.architecture == SDXL:
        base = "stable-diffusion-xl-v1-base"
    header = {"modelspec.prediction_type": _PREDICTIONS[card.prediction]} if card.prediction else {}
    return header | {
        "modelspec.sai_model_spec": "1.0.0",
        "modelspec.architecture": f"{base}/lora",
        "modelspec.implementation": "diffusers",
        "modelspec.title": "Frameweave temporal LoRA",
        "modelspec.timestep_range": f"{first},{last}",
        "modelspec.usage_hint": _usage(card),
    }


def kohya_header(card: Card) -> dict[str, str]:
    """The fields that kohya's tools and A1111 look at, and `modelspec`."""
    header = {
        "ss_network_module": "networks.lora",
        "ss_network_dim": str(card.rank),
        "ss_network_alpha": f"{card.alpha:g}",
        "ss_v2": str(card.architecture == SD2),
    }
    if version := {SD1: "sd_v1", SD2: "sd_v2", SDXL: "sdxl_base_v1-0"}.get(card.architecture):
        header["ss_base_model_version"] = version
    return header | modelspec(card)


def write_layouts(lora: dict[str, Tensor], card: Card, folder: Path) -> None:
    """Write `DIFFUSERS_FILE` and `KOHYA_FILE` into a folder, each atomically."""
    with staged(folder / DIFFUSERS_FILE) as stage:
        write_tensors(diffusers_layout(lora, card), stage, {"format": "pt"} | modelspec(card))
    with staged(folder / KOHYA_FILE) as stage:
        write_tensors(kohya_layout(lora, card), stage, {"format": "pt"} | kohya_header(card))


def write_tensors(tensors: dict[str, Tensor], file: Path, metadata: dict[str, str]) -> None:
    """A safetensors file with the same bytes every time; the library writes its metadata in any order."""
    data = save(tensors, metadata)
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:end])
    header["__metadata__"] = dict(sorted(metadata.items()))
    text = json.dumps(dict(sorted(header.items())), separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    file.write_bytes(len(text).to_bytes(8, "little") + text + data[end:])


def read_layout(file: Path) -> dict[str, Tensor]:
    """The LoRA of a file in either layout under its peft names, with alpha / rank folded into B.

    Raises `ModelFolderError` when it is missing, damaged, a pickle, or in another layout.
    """
    refuse_pickle(file)
    if not file.is_file():
        raise ModelFolderError(f"{file}: not there", hint="write it with `frameweave export`")
    try:
        tensors = load_file(file)
    except (SafetensorError, OSError) as error:
        raise ModelFolderError(f"{file}: damaged ({error})", hint="export it again") from error
    lora: dict[str, Tensor] = {}
    for key, tensor in tensors.items():
        if key.endswith(".alpha"):
            continue
        match = _KEY.fullmatch(key)
        if match is None or not key.startswith((_UNET, _KOHYA)):
            raise ModelFolderError(
                f"{file}: holds {key}, expected names like {_UNET}<layer>.lora_A.weight or "
                f"{_KOHYA}<layer>.lora_down.weight",
                hint="give a LoRA of a UNet in the layout of diffusers or kohya",
            )
        module, half = match.groups()
        if half in _HALVES:
            lora[key.removeprefix(_UNET)] = tensor
            continue
        peft = "lora_A" if half == "lora_down" else "lora_B"
        alpha = tensors.get(f"{module}.alpha")
        if half == "lora_up" and alpha is not None:
            tensor = tensor * (float(alpha) / tensor.shape[1])  # noqa: PLW2901
        lora[f"{layer_name(module)}.{peft}.weight"] = tensor
    return lora


def _usage(card: Card) -> str:
    first, last = card.window(TRAINING_T).values
    return f"strength {card.strength:g}, at timesteps {first} to {last} of {TRAINING_T} only"


def _split(name: str) -> tuple[str, str]:
    match = _KEY.fullmatch(name)
    assert match is not None, name
    return match[1], match[2]


def _plain(weight: Tensor) -> Tensor:
    return weight.detach().float().cpu().contiguous()
