"""Self-attention across the frames of a clip, as vid2vid-zero does it; guidance branches stay apart."""

import torch
from torch import nn

from frameweave.models.attention import Attend, AttentionRule, Site, Tokens, self_attentions


def cross_frame(frames: int, dense: frozenset[str], others: AttentionRule) -> AttentionRule:
    """In the layers named in `dense` every frame looks at all frames; the others have a rule of their own."""

    def rule(x: Tokens, attend: Attend, site: Site) -> Tokens:
        if site.name not in dense:
            return others(x, attend, site)
        everything = x.unflatten(0, (-1, frames)).flatten(1, 2)
        return attend(x, everything, everything)

    return rule


def sparse_causal(frames: int) -> AttentionRule:
    """Frame f looks at frames 0 and f - 1.

    The original gives frames 0 and 1 the keys of frame 0 twice; once is the same softmax.
    """

    def rule(x: Tokens, attend: Attend, site: Site) -> Tokens:
        clips = x.unflatten(0, (-1, frames))
        first = clips[:, 0]
        start = attend(clips[:, :2].flatten(0, 1), first, first)
        if frames <= 2:
            return start
        anchor = first[:, None].expand(-1, frames - 2, -1, -1)
        near = torch.cat([anchor, clips[:, 1:-1]], dim=2).flatten(0, 1)
        rest = attend(clips[:, 2:].flatten(0, 1), near, near)
        parts = [start.unflatten(0, (-1, 2)), rest.unflatten(0, (-1, frames - 2))]
        return torch.cat(parts, dim=1).flatten(0, 1)

    return rule


def dense_layers(unet: nn.Module, block: int, *, exact: bool = False) -> frozenset[str]:
    """Self-attentions of the first transformers of down block `block`, up block `block` + 1, and the middle.

    On Stable Diffusion 1.x block 0 gives levels of 64, 16 and 8 latents per side. On other UNets
    the nearest block that has attention is taken, or none with `exact`. A negative number gives none.
    """
    names = list(self_attentions(unet))
    if block < 0:
        return frozenset()

    def first_of(part: str, wanted: int) -> list[str]:
        there = {int(name.split(".")[1]) for name in names if name.startswith(f"{part}.")}
        if not there or (exact and wanted not in there):
            return []
        index = min(sorted(there), key=lambda index: abs(index - wanted))
        return [f"{part}.{index}.attentions.0."]

    prefixes = (*first_of("down_blocks", block), *first_of("up_blocks", block + 1), "mid_block.attentions.0.")
    return frozenset(name for name in names if name.startswith(prefixes))
