"""A ControlNet in one safetensors file, in ControlNet's original layout or diffusers' own."""

import re
from pathlib import Path

from diffusers import ControlNetModel, UNet2DConditionModel
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from frameweave.errors import ModelFolderError
from frameweave.models.original import OriginalNames

_PREFIX = "control_model."
_STEM = re.compile(r"(?:input_hint_block\.\d+|controlnet_cond_embedding\.(?:conv_in|blocks\.\d+))\.weight")
_HINT = re.compile(r"controlnet_cond_embedding\.(?:blocks\.(\d+)|(conv_in|conv_out))\.(.*)")
_ZERO = re.compile(r"controlnet_(down_blocks\.(\d+)|mid_block)\.(.*)")
_OURS = "time_embedding.linear_1.weight"
_THEIRS = "time_embed.0.weight"
_LIKE = {
    "lllite": "a ControlNet-LLLite",
    "task_embedding": "a ControlNet-Union",
    "difference": "the difference of a ControlNet and a model",
    "lora_controlnet": "a Control-LoRA",
    "adapter.": "a T2I-Adapter",
}
"""What parts of tensors' names say of a file."""
_TODO = "give a ControlNet made for this kind of model, as a file or as a diffusers folder"


def controlnet_of(file: Path, unet: UNet2DConditionModel) -> ControlNetModel:
    """The ControlNet in a file, of the same shape as the UNet's encoder.

    Raises `ModelFolderError` for a damaged file, one of another kind, and one made for another model.
    """
    try:
        found = load_file(file)
    except (SafetensorError, OSError) as error:
        raise ModelFolderError(f"{file}: damaged ({error})", hint="copy or download it again") from error
    if any(name.startswith(_PREFIX) for name in found):
        found = {name[len(_PREFIX) :]: found[name] for name in found if name.startswith(_PREFIX)}
    if not {_OURS, _THEIRS} & found.keys() or not any(_STEM.fullmatch(name) for name in found):
        what = next(
            (said for part, said in _LIKE.items() if any(part in name for name in found)), "another kind of"
        )
        raise ModelFolderError(f"{file}: {what} file, expected the weights of a ControlNet", hint=_TODO)
    made = ControlNetModel.from_unet(
        unet, conditioning_embedding_out_channels=_stem_channels(found), load_weights_from_unet=False
    )
    return _filled(file, made, found)


def _filled(file: Path, made: ControlNetModel, found: dict[str, Tensor]) -> ControlNetModel:
    """The network with the tensors of the file, every one in its place."""
    wanted = made.state_dict()
    called = {name: name for name in wanted} if _OURS in found else _original_names(made)
    given = {name: found[theirs] for name, theirs in called.items() if theirs in found}
    given |= {name: found[name] for name in found.keys() - set(called.values())}  # which nobody asks for
    wrong = {
        "missing": sorted(wanted.keys() - given.keys()),
        "unknown": sorted(given.keys() - wanted.keys()),
        "of another shape": [
            f"{name} {tuple(given[name].shape)}, expected {tuple(wanted[name].shape)}"
            for name in sorted(wanted.keys() & given.keys())
            if given[name].shape != wanted[name].shape
        ],
    }
    told = ", ".join(f"{len(names)} tensors {what} ({names[0]})" for what, names in wrong.items() if names)
    if told:
        raise ModelFolderError(f"{file}: no ControlNet for this model: {told}", hint=_TODO)
    made.load_state_dict(given)
    return made


def _original_names(made: ControlNetModel) -> dict[str, str]:
    """What its tensors are called in the original layout."""
    names = OriginalNames([len(block.resnets) for block in made.down_blocks], ())  # pyright: ignore
    hint = {"conv_in": 0, "conv_out": 14}

    def original(name: str) -> str:
        if found := _HINT.fullmatch(name):
            block, outside, end = found.groups()
            return f"input_hint_block.{2 * int(block) + 2 if block else hint[outside]}.{end}"
        if found := _ZERO.fullmatch(name):
            _, number, end = found.groups()
            return f"zero_convs.{number}.0.{end}" if number else f"middle_block_out.0.{end}"
        return names.of(name) or name

    return {name: original(name) for name in made.state_dict()}


def _stem_channels(found: dict[str, Tensor]) -> tuple[int, ...]:
    """Channels of the layers that read the picture: of the first, and after each that halves it.

    Every second layer, counted from the first, changes them.
    """
    stem = {
        int(at[0]) if (at := re.search(r"\d+", name)) else -1: name for name in found if _STEM.fullmatch(name)
    }
    return tuple(int(found[stem[number]].shape[0]) for number in sorted(stem))[::2]
