"""An IP-Adapter's file: what turns a picture's states into tokens, and how text attentions read them."""

from dataclasses import dataclass
from pathlib import Path

from diffusers import UNet2DConditionModel
from diffusers.models.attention_processor import Attention
from diffusers.models.embeddings import ImageProjection
from torch import Tensor, nn

from frameweave.errors import ModelFolderError
from frameweave.models.image_prompt.attention import ImageAttention
from frameweave.models.loading.tensor_files import read
from frameweave.models.loading.weights import unloadable

_TODO = "give one made for this kind of model, such as h94/IP-Adapter/models/ip-adapter_sd15.safetensors"


@dataclass(frozen=True, eq=False)
class ImageAdapter:
    """The adapter of one file, fitted to a UNet; `install` puts its keys and values there."""

    projection: nn.Module
    layers: dict[str, tuple[Tensor, Tensor]]
    """By the name of a text attention, what makes keys and values of a picture's tokens."""

    @classmethod
    def of(cls, file: Path, unet: UNet2DConditionModel) -> "ImageAdapter":
        """Raises `ModelFolderError` for a damaged file, one of another kind, and one for another model."""
        found = read(file).tensors
        projection, weights = (
            {name.removeprefix(start): found[name] for name in found if name.startswith(start)}
            for start in ("image_proj.", "ip_adapter.")
        )
        if not projection or not weights or len(projection) + len(weights) < len(found):
            raise ModelFolderError(f"{file}: not the weights of an IP-Adapter", hint=_TODO)
        of_faces = "norm.weight" in projection and "proj.weight" not in projection
        if of_faces or "perceiver_resampler.proj_in.weight" in projection:
            raise ModelFolderError(
                f"{file}: an IP-Adapter FaceID, which reads what a face recogniser says of a picture",
                hint="give one that reads pictures, such as ip-adapter-plus-face_sd15.safetensors",
            )
        return cls(_projection(file, unet, projection), _layers(file, unet, weights))

    @property
    def reads_patches(self) -> bool:
        """Whether it reads the states of a picture's patches, as Plus variants do, not one of the whole."""
        return not isinstance(self.projection, ImageProjection)

    @property
    def width(self) -> int:
        """Of the states that it reads."""
        first = next(layer for layer in self.projection.modules() if isinstance(layer, nn.Linear))
        return first.in_features

    def install(self, unet: UNet2DConditionModel) -> None:
        """From now on the UNet's text attentions can read pictures beside the text."""
        for name, (to_k, to_v) in self.layers.items():
            layer = unet.get_submodule(name)
            assert isinstance(layer, Attention)
            processor = ImageAttention(layer.processor, _linear(to_k), _linear(to_v))
            layer.set_processor(processor)  # pyright: ignore[reportArgumentType]


def text_attentions(unet: UNet2DConditionModel) -> dict[str, Attention]:
    """By name, in the order in which the files of IP-Adapters count them."""
    names = [name.removesuffix(".processor") for name in unet.attn_processors]
    layers = {name: unet.get_submodule(name) for name in names}
    return {
        name: layer
        for name, layer in layers.items()
        if isinstance(layer, Attention) and layer.is_cross_attention
    }


def _projection(file: Path, unet: UNet2DConditionModel, weights: dict[str, Tensor]) -> nn.Module:
    convert = unet._convert_ip_adapter_image_proj_to_diffusers  # pyright: ignore[reportPrivateUsage]
    try:
        made: nn.Module = convert(weights, low_cpu_mem_usage=False)
    except Exception as error:
        failing = "what it makes tokens of a picture by is of no known kind, or a tensor is missing"
        raise unloadable(file, error, failing=failing, hint=_TODO) from error
    return made


def _layers(
    file: Path, unet: UNet2DConditionModel, weights: dict[str, Tensor]
) -> dict[str, tuple[Tensor, Tensor]]:
    """The files count all attentions, of which every second one reads the text."""
    layers = text_attentions(unet)
    expected = {
        f"{2 * number + 1}.to_{what}_ip.weight": (layer.inner_dim, int(unet.config["cross_attention_dim"]))
        for number, layer in enumerate(layers.values())
        for what in ("k", "v")
    }
    if wrong := {*expected} ^ {*weights}:
        raise ModelFolderError(
            f"{file}: made for another model: it has weights for {len(weights) // 2} text attentions, "
            f"the UNet has {len(layers)} ({min(wrong)})",
            hint=_TODO,
        )
    for name, shape in expected.items():
        if tuple(weights[name].shape) != shape:
            raise ModelFolderError(
                f"{file}: made for another model: {name} is {tuple(weights[name].shape)}, expected {shape}",
                hint=_TODO,
            )
    pairs = iter(expected)
    return {name: (weights[next(pairs)], weights[next(pairs)]) for name in layers}


def _linear(weight: Tensor) -> nn.Linear:
    made = nn.Linear(weight.shape[1], weight.shape[0], bias=False)
    made.weight = nn.Parameter(weight, requires_grad=False)
    return made
