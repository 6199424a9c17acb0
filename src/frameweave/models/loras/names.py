"""Where a LoRA's layer lies in a model, whatever the program spells it.

The names are not taken apart: every layer that the model has is written in all spellings, and the one of the
file is looked up. So a layer is found for certain, or it is not there.
"""

import difflib
import re
from collections.abc import Iterator, Sequence

from torch import nn

from frameweave.models.original import OriginalNames

_NETWORKS = {
    "lora_unet_": 0,
    "lycoris_unet_": 0,
    "lora_te1_": 1,
    "lora_te2_": 2,
    "lora_te_": 1,
    "lycoris_": 0,
    "unet_": 0,
    "text_encoder_2_": 2,
    "text_encoder_": 1,
    "text_encoders_clip_l_transformer_": 1,
    "text_encoders_clip_g_transformer_": 2,
    "clip_l_transformer_": 1,
    "clip_g_transformer_": 2,
    "clip_l_": 1,
    "clip_g_": 2,
    "model_diffusion_model_": 0,
    "diffusion_model_": 0,
}
"""Before a layer's name: which network is meant, of the UNet and the text encoders."""
_SAID_TWICE = ("base_model_model_", "text_model_")
_ENDS = {
    "_to_out_0": "_to_out",
    "_self_attn_q_proj": "_self_attn_to_q",
    "_self_attn_k_proj": "_self_attn_to_k",
    "_self_attn_v_proj": "_self_attn_to_v",
    "_self_attn_out_proj": "_self_attn_to_out",
}
"""How earlier versions of diffusers wrote the end of a name."""


class Places:
    """The layers of a model by all their names."""

    def __init__(self, unet: nn.Module, text_encoders: Sequence[nn.Module]) -> None:
        self._count = 1 + len(text_encoders)
        self._layers: dict[tuple[int, str], nn.Module] = {}
        original = OriginalNames.of_unet(unet)
        for number, network in enumerate((unet, *text_encoders)):
            for name, layer in _own_layers(network):
                spelled = [name]
                if number == 0 and (other := original.of(name)):
                    spelled.append(other)
                for known in (known for one in spelled for known in _spellings(_flat(one))):
                    self._layers.setdefault((number, known), layer)

    def find(self, name: str) -> nn.Module | None:
        """The layer that a file calls so."""
        number, rest = self._read(name)
        if number is not None:
            return self._layers.get((number, rest))
        for number in range(self._count):
            if layer := self._layers.get((number, rest)):
                return layer
        return None

    def lacks_encoder(self, name: str) -> bool:
        """Whether a file's layer is one of a text encoder that the model does not have."""
        number = self._read(name)[0]
        return number is not None and number >= self._count

    def near(self, name: str) -> str:
        """The most similar name that the model has."""
        number, rest = self._read(name)
        known = [flat for place, flat in self._layers if place == (number or 0)]
        return next(iter(difflib.get_close_matches(rest, known, n=1)), "")

    def _read(self, name: str) -> tuple[int | None, str]:
        flat, number = _flat(name), None
        for prefix, network in _NETWORKS.items():
            if flat.startswith(prefix):
                flat, number = flat.removeprefix(prefix), network
                break
        for prefix in _SAID_TWICE:
            flat = flat.removeprefix(prefix)
        return number, flat


def _flat(name: str) -> str:
    """With underscores for dots, and without the marks of programs."""
    return re.sub(r"_processor(?=_to_)", "", name.replace(".", "_")).removeprefix("text_model_")


def _spellings(flat: str) -> Iterator[str]:
    yield flat
    for end, earlier in _ENDS.items():
        if flat.endswith(end):
            yield flat.removesuffix(end) + earlier


def _own_layers(network: nn.Module) -> list[tuple[str, nn.Module]]:
    """Layers with weights under the names that they have without anybody's LoRA around them."""
    return [
        (name.replace(".base_layer", ""), layer)
        for name, layer in network.named_modules()
        if ".lora_" not in name and "weight" in dict(layer.named_parameters(recurse=False))
    ]
