"""LoRAs brought together with a model: each layer of each file has its place and its size there."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from frameweave.errors import ModelFolderError
from frameweave.models.loading.single_file.kinds import BY_WIDTH, REFINER_WIDTH
from frameweave.models.loading.strength import Weighted
from frameweave.models.loading.tensor_files import TensorFile, found, local, read
from frameweave.models.loras.asked import asked
from frameweave.models.loras.changes import Layer
from frameweave.models.loras.kinds import check_model
from frameweave.models.loras.layouts import layers
from frameweave.models.loras.names import Places
from frameweave.models.loras.peft_settings import FILE, STEM, PeftSettings, settings_beside
from frameweave.models.stable_diffusion import StableDiffusion
from frameweave.runs.identity import digest

USUAL = ("pytorch_lora_weights.safetensors", "adapter_model.safetensors")
"""The file of a folder or hub repository that is taken among several."""
_ADAPTOR = "adaptor.safetensors"
_MODELS = BY_WIDTH | {REFINER_WIDTH: "SDXL's refiner"}
_SAYS = ("modelspec.architecture", "ss_base_model_version", "ss_sd_model_name")
_READS_TEXT = re.compile(r"attn2[._](processor[._])?to_[kv]$")


@dataclass(frozen=True, eq=False)
class LoraFile:
    """A LoRA that was read and is whole, whatever model it is for."""

    use: Weighted
    file: TensorFile
    layers: Mapping[str, Layer]


@dataclass(frozen=True, eq=False)
class Addition:
    """What one LoRA adds to one parameter of a model."""

    parameter: nn.Parameter
    layer: Layer
    to_bias: bool
    use: Weighted
    in_unet: bool

    def to(self, original: Tensor) -> Tensor:
        """In the precision of the original weight or bias, at the LoRA's strength."""
        if self.to_bias:
            assert self.layer.bias is not None
            return self.use.strength * self.layer.bias.to(original)
        return self.use.strength * self.layer.added(original)


def lora_file(text: str) -> LoraFile:
    """The LoRA of a `--lora`.

    Raises `InputError` for text that cannot be read, `ModelFolderError` for a file that is missing, damaged
    or a pickle, and for what is no LoRA of a Stable Diffusion model.
    """
    use = asked(text)
    file = read(_path(use.name))
    check_model(file)
    return LoraFile(use, file, layers(file, PeftSettings.of(file)))


def lora_content(text: str) -> str:
    """What a `--lora` does, wherever its files lie. Raises what `lora_file` raises of a name."""
    use = asked(text)
    held = " ".join(digest(file) for file in _with_settings(_path(use.name)))
    return f"{held} {use.strength:g} {use.start:g}-{use.end:g} from the noise"


def local_lora(text: str) -> list[Path]:
    """The files of a `--lora` where they lie on this machine; none for one on the hub."""
    path = _path_here(asked(text).name)
    return [] if path is None else _with_settings(path)


def _with_settings(path: Path) -> list[Path]:
    """The file of a LoRA, and that of its settings, if it has them beside it."""
    settings = settings_beside(path)
    return [path] if settings is None else [path, settings]


def additions(lora: LoraFile, model: StableDiffusion) -> list[Addition]:
    """What it adds to each parameter of a model.

    Raises `ModelFolderError` for a LoRA of another kind of model, and for one that has a layer which the
    model lacks or has in another size.
    """
    _check_width(lora, int(model.unet.config["cross_attention_dim"]))
    places, taken = Places(model.unet, model.text.networks), dict[nn.Module, str]()
    in_unet = {*model.unet.parameters()}
    made: list[Addition] = []
    for name, layer in lora.layers.items():
        place = places.find(name)
        if place is None:
            raise _lacks(lora, places, name)
        if place in taken:
            raise _wrong(lora, f"{taken[place]} and {name} in it are the same layer")
        taken[place] = name
        parameters = dict(place.named_parameters(recurse=False))
        for to_bias, parameter in ((False, parameters["weight"]), (True, parameters.get("bias"))):
            if (layer.bias if to_bias else layer.weight) is None:
                continue
            if parameter is None:
                raise _wrong(lora, f"{name} in it has a bias, the model's has none")
            if not _fits(layer, parameter, to_bias=to_bias):
                raise _wrong(
                    lora, f"{name} in it is {_size(layer, to_bias)}, the model's is {_told(parameter)}"
                )
            made.append(Addition(parameter, layer, to_bias, lora.use, parameter in in_unet))
    return made


def _path(name: str) -> Path:
    return _path_here(name) or found(name, USUAL, "LoRA", belongs={f"{STEM}.safetensors": FILE})


def _path_here(name: str) -> Path | None:
    if os.path.isfile(f"{name}/{_ADAPTOR}"):  # noqa: PTH113 - Path's raises for a name that is too long
        raise ModelFolderError(
            f"{name}: the folder of an adaptor of Frameweave, not a LoRA of another program",
            hint=f"give it with --adaptor {name}, or name one file in it",
        )
    return local(name, USUAL, "LoRA")


def _fits(layer: Layer, parameter: Tensor, *, to_bias: bool) -> bool:
    if to_bias:
        return layer.bias is not None and layer.bias.shape == parameter.shape
    if layer.weight is None or layer.weight.size != (len(parameter), parameter[0].numel()):
        return False
    lengths = layer.magnitudes
    if lengths is None:
        return True
    return lengths.lengths.numel() == parameter.shape[0 if lengths.of == "outputs" else 1]


def _size(layer: Layer, to_bias: bool) -> str:
    if to_bias or layer.weight is None:
        return f"a bias of {0 if layer.bias is None else layer.bias.numel()}"
    return "{} x {}".format(*layer.weight.size)


def _told(parameter: Tensor) -> str:
    return f"{len(parameter)} x {parameter[0].numel()}"


def _check_width(lora: LoraFile, expected: int) -> None:
    """The width of the texts that it reads tells the kind of its model."""
    for name, layer in lora.layers.items():
        if _READS_TEXT.search(name) and layer.weight is not None:
            width = layer.weight.size[1]
            if width != expected:
                raise ModelFolderError(
                    f"{lora.file.path}: a LoRA for {_model(width)}, the model is {_model(expected)}",
                    hint="give a LoRA for this model, or the model that it was made for with --model",
                )
            return


def _model(width: int) -> str:
    return f"{_MODELS.get(width, 'one')} (texts {width} wide)"


def _lacks(lora: LoraFile, places: Places, name: str) -> ModelFolderError:
    if places.lacks_encoder(name):
        return _wrong(lora, f"{name} in it is of a second text encoder, as SDXL has, the model has one")
    near = places.near(name)
    like = f"; the most similar name is {near}" if near else ""
    return _wrong(lora, f"{name} in it is no layer of the model{like}")


def _wrong(lora: LoraFile, what: str) -> ModelFolderError:
    said = next((f" (made for {lora.file.header[key]})" for key in _SAYS if lora.file.header.get(key)), "")
    return ModelFolderError(f"{lora.file.path}{said}: {what}", hint="give a LoRA made for this kind of model")
