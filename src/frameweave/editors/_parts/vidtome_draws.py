"""The random choices of VidToMe's published program, made from a seed as that program makes them on a CPU."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

Chunk = tuple[int, int]
"""First frame and number of frames."""


@dataclass(frozen=True, kw_only=True)
class Choices:
    """What decides how much is drawn."""

    steps: int
    chunk: int
    order: str
    """Empty where chunks hand nothing on."""
    stride: int
    """0 where nothing is merged within a chunk."""


def cut(frames: int, first: int, chunk: int, *, reverse: bool) -> list[Chunk]:
    """The clip in chunks, of which the first one has `first` frames.

    >>> cut(9, 2, 4, reverse=True)
    [(6, 3), (2, 4), (0, 2)]
    """
    starts = [0, *range(first, frames, chunk)]
    parts = [(a, min(b, frames) - a) for a, b in zip(starts, [*starts[1:], frames], strict=True)]
    return parts[::-1] if reverse else parts


def ordered(permutation: list[int], order: str) -> list[int]:
    """The order of n chunks: the permutation itself (rand), or mix-D: its first n / D, then the rest sorted.

    The rest starts at the end that is nearer to the last one before it.

    >>> ordered([5, 2, 0, 1, 3, 4], "mix-3")
    [5, 2, 0, 1, 3, 4]
    >>> ordered([0, 5, 1, 2, 3, 4], "mix-3")
    [0, 5, 4, 3, 2, 1]
    """
    kind, _, number = order.partition("-")
    if kind == "rand":
        return permutation
    count = len(permutation) // int(number or 3)
    head, tail = permutation[:count], sorted(permutation[count:])
    if head and tail and abs(tail[-1] - head[-1]) < abs(tail[0] - head[-1]):
        tail.reverse()
    return head + tail


def published_draws(choices: Choices, frames: int, seed: int) -> dict[str, Tensor]:
    """What `VidToMe` replays: `chunks`, `local_target` and `global_draw` of every step; -1 is no draw.

    Chunks are cut by numpy's generator and put in order by torch's; all merged blocks of the network
    share a copy of the latter, taken after the first step's order was drawn.
    """
    cuts, orders = np.random.RandomState(seed % 2**32), torch.Generator().manual_seed(seed)
    blocks: torch.Generator | None = None
    chunks: list[list[Chunk]] = []
    targets: list[list[list[int]]] = []
    shares: list[list[float]] = []
    for _step in range(choices.steps):
        first = int(cuts.randint(0, choices.chunk)) + 1
        parts = cut(frames, first, choices.chunk, reverse=bool(cuts.rand() > 0.5))
        if choices.order not in ("", "seq"):
            permutation = torch.randperm(len(parts), generator=orders).tolist()
            parts = [parts[k] for k in ordered(permutation, choices.order)]
        if blocks is None:
            blocks = torch.Generator()
            blocks.set_state(orders.get_state())
        chunks.append(parts)
        targets.append([])
        shares.append([])
        for turn, (_first, length) in enumerate(parts):
            targets[-1].append(_targets(choices.stride, length, blocks))
            handed_on = turn > 0 and choices.order
            shares[-1].append(float(torch.rand(1, generator=blocks)) if handed_on else -1.0)
    most = max(len(parts) for parts in chunks)
    levels = max(len(drawn) for step in targets for drawn in step)
    return {
        "chunks": torch.tensor([parts + [(-1, -1)] * (most - len(parts)) for parts in chunks]),
        "local_target": torch.tensor(
            [
                [drawn + [-1] * (levels - len(drawn)) for drawn in step + [[]] * (most - len(step))]
                for step in targets
            ]
        ),
        "global_draw": torch.tensor([step + [-1.0] * (most - len(step)) for step in shares]),
    }


def _targets(stride: int, frames: int, blocks: torch.Generator) -> list[int]:
    """A target's place in its group, for each level of local merging."""
    drawn: list[int] = []
    while frames > 1 and stride:
        group = min(stride, frames)
        drawn.append(int(torch.randint(group, (1,), generator=blocks)))
        frames = len(range(drawn[-1], frames, group))
    return drawn
