"""The names that a UNet's layers have in the original Stable Diffusion code (`input_blocks.1.1`, sgm).

Checkpoints in one file have them, and most LoRAs of SDXL. They are counted from the layers of each level, so
they hold for every size.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from itertools import accumulate
from typing import Any, cast

from torch import nn

BLOCK = re.compile(r"(down|up)_blocks\.(\d+)\.(resnets|attentions|downsamplers|upsamplers)\.(\d+)\.(.*)")
MIDDLE = re.compile(r"mid_block\.(resnets|attentions)\.(\d+)\.(.*)")
"""The blocks on both sides and in the middle, of UNets and VAEs of diffusers."""
_OUTSIDE = {
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
    "conv_in": "input_blocks.0.0",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
}
IN_RESNETS = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
"""Layers of a resnet, here and there."""


class OriginalNames:
    """Of a UNet whose levels have so many `layers` on the way down; one more on the way up.

    `attentive` are the levels on the way up that have attention.
    """

    def __init__(self, layers: Sequence[int], attentive: Collection[int]) -> None:
        self._first = {
            "down": list(accumulate((n + 1 for n in layers), initial=1)),
            "up": list(accumulate((n + 1 for n in reversed(layers)), initial=0)),
        }
        self._attentive = attentive

    @classmethod
    def of_unet(cls, unet: nn.Module) -> "OriginalNames":
        network = cast("Any", unet)
        up = [k for k, block in enumerate(network.up_blocks) if getattr(block, "attentions", None)]
        return cls([len(block.resnets) for block in network.down_blocks], up)

    def of(self, name: str) -> str | None:
        """The original name of a layer or tensor; None for one that the original code does not have.

        >>> OriginalNames([2, 2, 2], [0, 1]).of("up_blocks.1.upsamplers.0.conv.weight")
        'output_blocks.5.2.conv.weight'
        """
        if found := BLOCK.fullmatch(name):
            return self._in_block(*found.groups())
        if found := MIDDLE.fullmatch(name):
            what, number, end = found.groups()
            if what == "resnets":
                return f"middle_block.{2 * int(number)}.{renamed(end, IN_RESNETS)}"
            return f"middle_block.{2 * int(number) + 1}.{end}"
        outside = renamed(name, _OUTSIDE)
        return None if outside == name else outside

    def _in_block(self, side: str, level: str, what: str, number: str, end: str) -> str:
        blocks, first, depth = "input" if side == "down" else "output", self._first[side], int(level)
        place = f"{blocks}_blocks.{first[depth] + int(number)}"
        last = f"{blocks}_blocks.{first[depth + 1] - 1}"
        match what:
            case "resnets":
                return f"{place}.0.{renamed(end, IN_RESNETS)}"
            case "attentions":
                return f"{place}.1.{end}"
            case "downsamplers":
                return f"{last}.0.{renamed(end, {'conv': 'op'})}"
            case _:
                return f"{last}.{2 if depth in self._attentive else 1}.{end}"


def renamed(name: str, beginnings: Mapping[str, str]) -> str:
    """With another beginning, if its first parts are one of these."""
    for theirs, ours in beginnings.items():
        if f"{name}.".startswith(f"{theirs}."):
            return ours + name[len(theirs) :]
    return name
