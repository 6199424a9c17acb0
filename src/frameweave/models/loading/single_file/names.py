"""Where each tensor of a network lies in a file of the original layout.

The names follow from the networks' settings, so every tensor is asked for by one name, and what nobody
asks for is found: the libraries' own converters leave such tensors out without a word.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from torch import Tensor

from frameweave.models.original import BLOCK, MIDDLE, OriginalNames, renamed

_ATTENTION = re.compile(r"up_blocks\.(\d+)\.attentions\.")
_VAE_RESNET = {"conv_shortcut": "nin_shortcut"}
_VAE_ATTENTION = {
    "group_norm": "norm",
    "to_q": "q",
    "to_k": "k",
    "to_v": "v",
    "to_out.0": "proj_out",
}
_OPEN_CLIP = {
    "embeddings.token_embedding.weight": "token_embedding.weight",
    "embeddings.position_embedding.weight": "positional_embedding",
    "final_layer_norm": "ln_final",
    "text_projection.weight": "text_projection",
}
_OPEN_CLIP_LAYER = {
    "layer_norm1": "ln_1",
    "layer_norm2": "ln_2",
    "self_attn.out_proj": "attn.out_proj",
    "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj",
}
_THIRDS = ("q", "k", "v")


@dataclass(frozen=True)
class Spot:
    """A tensor of the file, or what of it is meant."""

    name: str
    third: int | None = None
    """OpenCLIP keeps query, key and value in one tensor, one below the other."""
    turned: bool = False
    """OpenCLIP multiplies by the projection from the other side."""

    def shape(self, whole: Sequence[int]) -> tuple[int, ...]:
        """Of what is meant, where the whole tensor has that shape."""
        if self.third is not None and whole and whole[0] % 3 == 0:
            return (whole[0] // 3, *whole[1:])
        return tuple(reversed(whole)) if self.turned else tuple(whole)

    def of(self, whole: Tensor) -> Tensor:
        """What is meant, with a memory of its own where it is a part."""
        if self.third is not None:
            return whole.chunk(3)[self.third].clone()
        return whole.T.contiguous() if self.turned else whole


def unet_spots(names: Iterable[str], layers: Sequence[int], prefix: str) -> dict[str, Spot]:
    """Of a UNet whose levels have so many `layers`, by its tensors' names."""
    named = list(names)
    attentive = {int(found[1]) for name in named if (found := _ATTENTION.match(name))}
    original = OriginalNames(layers, attentive)
    return {name: Spot(prefix + (original.of(name) or name)) for name in named}


def vae_spots(names: Iterable[str], levels: int, prefix: str) -> dict[str, Spot]:
    """Of a VAE with so many `levels`, which its original counts from the pictures also in the decoder."""

    def original(name: str) -> str:
        half, _, inner = name.partition(".")
        if found := BLOCK.fullmatch(inner):
            side, level, what, number, end = found.groups()
            place = f"{half}.{side}.{int(level) if side == 'down' else levels - 1 - int(level)}"
            if what == "resnets":
                return f"{place}.block.{number}.{renamed(end, _VAE_RESNET)}"
            return f"{place}.{side}sample.{end}"
        if found := MIDDLE.fullmatch(inner):
            what, number, end = found.groups()
            if what == "resnets":
                return f"{half}.mid.block_{int(number) + 1}.{renamed(end, _VAE_RESNET)}"
            return f"{half}.mid.attn_{int(number) + 1}.{renamed(end, _VAE_ATTENTION)}"
        return name.replace(".conv_norm_out.", ".norm_out.")

    return {name: Spot(prefix + original(name)) for name in names}


def clip_spots(names: Iterable[str], prefix: str) -> dict[str, Spot]:
    """Of a text tower that the file keeps as transformers does."""
    return {name: Spot(prefix + name.removeprefix("text_model.")) for name in names}


def open_clip_spots(names: Iterable[str], prefix: str) -> dict[str, Spot]:
    """Of a text tower that the file keeps as OpenCLIP does."""

    def spot(name: str) -> Spot:
        inner = name.removeprefix("text_model.")
        layer = re.fullmatch(r"encoder\.layers\.(\d+)\.(.*)", inner)
        if layer is None:
            return Spot(prefix + renamed(inner, _OPEN_CLIP), turned=inner.startswith("text_projection."))
        place, end = f"{prefix}transformer.resblocks.{layer[1]}.", layer[2]
        if found := re.fullmatch(r"self_attn\.([qkv])_proj\.(weight|bias)", end):
            return Spot(f"{place}attn.in_proj_{found[2]}", third=_THIRDS.index(found[1]))
        return Spot(place + renamed(end, _OPEN_CLIP_LAYER))

    return {name: spot(name) for name in names}
