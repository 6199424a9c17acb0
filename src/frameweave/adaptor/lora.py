"""Low-rank adaptation (Eq. 1) of a UNet's attention through peft, reversible and switchable."""

import copy
import re
import warnings
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count

import torch
from peft import LoraConfig, inject_adapter_in_model
from peft.tuners.lora import LoraLayer
from torch import Tensor, nn

from frameweave.errors import AdaptorMismatch, InputError

NAME = "frameweave"
BLOCKS = {"down": "down_blocks", "mid": "mid_block", "up": "up_blocks"}
TARGETS = r"attn[12]\.to_(q|k|v|out\.0)"
"""Queries, keys, values and the output projection of self- and cross-attention."""
_TOLD = ("peft_config", "_hf_peft_config_loaded")
"""Where PEFT and diffusers say which adapters a UNet has."""


@dataclass(frozen=True)
class Lora:
    """LoRA pairs in place on a network; made by `added_lora`."""

    layers: dict[str, LoraLayer]
    name: str
    """The adapter's name in peft."""

    def weights(self) -> dict[str, nn.Parameter]:
        """Each A (rank x in) and B (out x rank) under its peft name, `<layer>.lora_A.weight`."""
        named: dict[str, nn.Parameter] = {}
        for name, layer in self.layers.items():
            for half in ("lora_A", "lora_B"):
                named[f"{name}.{half}.weight"] = getattr(layer, half)[self.name].weight
        return named

    def switch(self, on: bool, *, trainable: bool = False) -> None:
        """Let the pairs act, or be passed by without cost; other people's adapters stay as they are."""
        for layer in self.layers.values():
            others = [name for name in layer.active_adapters if name != self.name]
            layer.set_adapter([*others, self.name] if on else others, inference_mode=not trainable)

    def scale(self, strength: float) -> None:
        """W_0 x + strength * (alpha / rank) * B A x."""
        for layer in self.layers.values():
            layer.set_scale(self.name, strength)


def pattern(blocks: str, targets: str = TARGETS) -> str:
    """The regular expression of adapted layers; `blocks` is "all" or some of down, mid, up with "+".

    >>> bool(re.fullmatch(pattern("down"), "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"))
    True
    >>> bool(re.fullmatch(pattern("down+mid"), "up_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q"))
    False
    """
    chosen = list(BLOCKS) if blocks == "all" else blocks.split("+")
    for block in chosen:
        if block not in BLOCKS:
            raise InputError.unknown("LoRA block", block, ["all", *BLOCKS])
    return rf"({'|'.join(BLOCKS[block] for block in chosen)})\..*({targets})"


def linear_layers(unet: nn.Module, layers: str) -> set[str]:
    """The layers whose names match in full. Raises `InputError` where one is not linear, or there is none."""
    found = {name: module for name, module in unet.named_modules() if re.fullmatch(layers, name)}
    for name, module in found.items():
        if not _linear(module):
            raise InputError(
                f"lora_targets matches {name}, a {type(module).__name__}, expected linear layers",
                hint="name linear layers only, such as attn1.to_q and ff.net.0.proj",
            )
    if not found:
        raise InputError(f"no linear layer matches {layers}", hint="check lora_blocks and lora_targets")
    return set(found)


@contextmanager
def added_lora(
    unet: nn.Module,
    *,
    rank: int,
    alpha: float,
    layers: str,
    weights: dict[str, Tensor] | None = None,
    seed: int = 0,
) -> Generator[Lora, None, None]:
    """Put LoRA pairs on the linear layers whose names match `layers` in full, and take them off again.

    `weights` (peft names) fills them; otherwise A is Gaussian (std 1 / rank) and B zero, so that
    nothing changes at first. On leaving, the very same modules stand in their places again, whatever was
    loaded or unloaded meanwhile.

    Raises `InputError` when nothing matches, `AdaptorMismatch` when the weights do not fit.
    """
    before = dict(unet.named_modules())
    expected = linear_layers(unet, layers)
    elsewhere = {name: module for name, module in before.items() if isinstance(module, LoraLayer)}
    check_acting(elsewhere)
    theirs = {name: set(module.lora_A) for name, module in elsewhere.items()}
    told = {name: copy.copy(getattr(unet, name)) for name in _TOLD if hasattr(unet, name)}
    own = free_name(unet)
    config = LoraConfig(r=rank, lora_alpha=alpha, target_modules=layers, init_lora_weights="gaussian")  # pyright: ignore[reportArgumentType]
    with kept(unet):
        others = {name: active_adapters(module) for name, module in elsewhere.items()}
        try:
            with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
                warnings.filterwarnings("ignore", "Already found a `peft_config`")  # somebody else's LoRA
                torch.manual_seed(seed)
                inject_adapter_in_model(config, unet, own)
            lora = Lora(lora_layers(unet, own), own)
            if lora.layers.keys() != expected:
                odd = sorted(lora.layers.keys() ^ expected)
                raise AdaptorMismatch(
                    f"LoRA sits on {len(lora.layers)} layers, expected {len(expected)} (differs at {odd[0]})",
                    hint="check lora_targets",
                )
            for name, module in elsewhere.items():  # peft has made ours the only active one everywhere
                module.set_adapter(list(others[name]), inference_mode=True)
            if weights is not None:
                _fill(lora, weights)
            for parameter in lora.weights().values():
                parameter.data = parameter.data.to(next(unet.parameters()).device)
            lora.switch(on=True, trainable=True)
            yield lora
        finally:
            for name, module in elsewhere.items():
                module.set_adapter(list(others[name]), inference_mode=True)  # peft warns of active ones
                for added in set(module.lora_A) - theirs[name]:
                    module.delete_adapter(added)
            _put_back(unet, before, told)


def _put_back(unet: nn.Module, modules: Mapping[str, nn.Module], told: Mapping[str, object]) -> None:
    """Every module stands where it stood, and the UNet says what it said of adapters."""
    for name, module in modules.items():
        parent, _, child = name.rpartition(".")
        if name and getattr(modules[parent], child, None) is not module:
            setattr(modules[parent], child, module)
    for name in _TOLD:
        if name in told:
            setattr(unet, name, told[name])
        elif name in vars(unet):
            delattr(unet, name)


@contextmanager
def kept(unet: nn.Module) -> Generator[None, None, None]:
    """On leaving, every adapter of the UNet is as active, strong and trainable as it was."""
    layers = [module for module in unet.modules() if isinstance(module, LoraLayer)]
    states = [(layer, active_adapters(layer), dict(layer.scaling)) for layer in layers]
    trainable = {parameter: parameter.requires_grad for parameter in unet.parameters()}
    try:
        yield
    finally:
        for layer, active, scaling in states:
            layer.set_adapter(list(active), inference_mode=True)
            layer.scaling.update(scaling)
        for parameter, flag in trainable.items():
            parameter.requires_grad_(flag)


def check_acting(layers: Mapping[str, LoraLayer]) -> None:
    """Raise `InputError` where peft passes by every adapter that would be switched on in these layers."""
    for name, layer in layers.items():
        if layer.merged:
            raise InputError(
                f"LoRAs are fused into the UNet (at {name}), and no other can act beside them",
                hint="call the pipeline's unfuse_lora() first",
            )
        if layer.disable_adapters:
            raise InputError(
                f"LoRAs are switched off in the UNet (at {name})",
                hint="call the pipeline's enable_lora() first",
            )


def free_name(unet: nn.Module) -> str:
    """A name for one more adapter that nobody has given to theirs."""
    taken = set(getattr(unet, "peft_config", {}))
    taken |= {name for module in unet.modules() if isinstance(module, LoraLayer) for name in module.lora_A}
    return next(name for n in count() if (name := f"{NAME}{n or ''}") not in taken)


def _linear(module: nn.Module) -> bool:
    return isinstance(module, nn.Linear) or isinstance(getattr(module, "base_layer", None), nn.Linear)


def active_adapters(module: object) -> tuple[str, ...]:
    """The names of the adapters that act on a layer."""
    return tuple(module.active_adapters) if isinstance(module, LoraLayer) else ()


def lora_layers(unet: nn.Module, name: str) -> dict[str, LoraLayer]:
    """The layers that carry the adapter of that name."""
    return {
        place: module
        for place, module in unet.named_modules()
        if isinstance(module, LoraLayer) and name in module.lora_A
    }


def _fill(lora: Lora, weights: dict[str, Tensor]) -> None:
    places = lora.weights()
    if places.keys() != weights.keys():
        odd = sorted(places.keys() ^ weights.keys())
        raise AdaptorMismatch(
            f"the adaptor has {len(weights)} LoRA tensors, the model takes {len(places)} "
            f"(differs at {odd[0]})",
            hint="use the model that the adaptor was trained on",
        )
    for name, place in places.items():
        if place.shape != weights[name].shape:
            raise AdaptorMismatch(
                f"{name}: the adaptor has {tuple(weights[name].shape)}, the model takes {tuple(place.shape)}",
                hint="use the model that the adaptor was trained on",
            )
        place.data.copy_(weights[name])
