"""The features F_{l,b} that the temporal loss compares: outputs of the UNet's self-attentions."""

import re
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from frameweave.errors import InputError
from frameweave.models.attention import self_attentions

Feature = Float[Tensor, "S _ _"]


def decoder_layers(unet: nn.Module, pattern: str = "decoder") -> list[str]:
    """Names of self-attentions: "decoder" are the decoder's without its first, else a regular expression.

    On Stable Diffusion 1.5 "decoder" gives the eight layers of the published program. Raises
    `InputError` when nothing matches.
    """
    names = list(self_attentions(unet))
    if pattern == "decoder":
        return [name for name in names if name.startswith("up_blocks")][1:]
    if chosen := [name for name in names if re.search(pattern, name)]:
        return chosen
    raise InputError(f"no self-attention matches {pattern!r}", hint=f"they are {', '.join(names)}")


def outermost_layers(unet: nn.Module) -> tuple[frozenset[str], int]:
    """The self-attentions with the most tokens, and how often the latents are halved before they come.

    On Stable Diffusion 1.x and 2.x the first two and the last three, and not at all.
    """
    stages = len({name for name, _ in unet.named_modules() if re.fullmatch(r"down_blocks\.\d+", name)})

    def halved(name: str) -> int:
        part, index = name.split(".")[:2]
        return (
            int(index) if part == "down_blocks" else stages - 1 - (int(index) if part == "up_blocks" else 0)
        )

    names = list(self_attentions(unet))
    least = min(map(halved, names))
    return frozenset(name for name in names if halved(name) == least), least


@dataclass
class Features:
    """Collects while it is armed: hooks that fire again in a checkpointed backward pass are ignored."""

    names: list[str]
    _kept: dict[str, Tensor] = field(default_factory=dict[str, Tensor])
    _armed: bool = True

    def keep(self, name: str, output: Tensor) -> None:
        if self._armed:
            self._kept[name] = output

    def take(self) -> list[Feature]:
        """The features of the forward pass, in the order of the names; nothing is collected afterwards."""
        self._armed = False
        return [self._kept.pop(name) for name in self.names]


@contextmanager
def collected(unet: nn.Module, names: list[str]) -> Generator[Features, None, None]:
    """Collect the outputs of the named modules while the block runs."""
    features = Features(names)

    def keeper(name: str) -> Any:
        return lambda _module, _inputs, output: features.keep(name, output)

    hooks = [unet.get_submodule(name).register_forward_hook(keeper(name)) for name in names]
    try:
        yield features
    finally:
        for hook in hooks:
            hook.remove()
