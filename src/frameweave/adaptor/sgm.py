"""SDXL's layers under the names of its original code (sgm), by which kohya's programs write and read them."""

import re

from frameweave.models.original import IN_RESNETS, OriginalNames

_STAGE = 3
"""Layers of a block there: two, and the change of size."""
_SGM = re.compile(r"(?:(input|output)_blocks_(\d+)|middle_block)_(\d+)_(.+)")
_LINEAR = "time_emb_proj"
"""The linear layer of a resnet; attention's layers have the same names in both."""
_ORIGINAL = OriginalNames(layers=[_STAGE - 1] * 3, attentive=(0, 1))


def sgm_name(layer: str) -> str:
    """The name of a linear layer in SDXL's blocks.

    >>> sgm_name("down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q")
    'input_blocks.4.1.transformer_blocks.0.attn1.to_q'
    >>> sgm_name("mid_block.resnets.1.time_emb_proj")
    'middle_block.2.emb_layers.1'
    """
    name = _ORIGINAL.of(layer)
    assert name is not None, layer
    return name


def own_name(name: str) -> str:
    """The layer of an sgm name, both with underscores for dots; other names stay as they are.

    >>> own_name("output_blocks_3_1_proj_in"), own_name("up_blocks_1_attentions_0_proj_in")
    ('up_blocks_1_attentions_0_proj_in', 'up_blocks_1_attentions_0_proj_in')
    """
    match = _SGM.fullmatch(name)
    if match is None:
        return name
    side, count, part, rest = match.groups()
    number = int(part)
    if side is None:
        kind = "attentions_0" if number == 1 else f"resnets_{number // 2}"
        place = "mid_block"
    else:
        block, layer = divmod(int(count) - (side == "input"), _STAGE)
        place = f"{'down' if side == 'input' else 'up'}_blocks_{block}"
        kind = f"{'attentions' if number else 'resnets'}_{layer}"
    theirs = IN_RESNETS[_LINEAR].replace(".", "_")
    return f"{place}_{kind}_{rest.replace(theirs, _LINEAR) if 'resnets' in kind else rest}"
