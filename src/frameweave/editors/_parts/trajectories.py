"""Trajectories: which points of a clip show the same content, and attention among the points of one.

A point is a cell of a frame: one token. Every point lies on exactly one trajectory, which has at most one
point in each frame and none missing in between.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from frameweave.models.attention import Heads

_AT_ONCE = 2**14
"""Trajectories in one call of attention; some kernels take fewer than 2^16."""


@dataclass(frozen=True, eq=False)
class Links:
    """From each cell of a frame, where its content lies in the next one. All but the last frame have them."""

    flow: Float[Tensor, "steps 2 h w"]
    """In cells, x to the right and y down."""
    sure: Float[Tensor, "steps h w"]
    """How surely it is seen there."""
    least: float = 0.0
    """Those that are not surer lead nowhere; below 0 all do."""
    carried: bool = True
    """Whether what rounding to whole cells leaves out is carried along; else slow content stands still."""
    chosen: Int[Tensor, "steps cells"] | None = None
    """By cell of the next frame, which of several cells leads to it, counted row by row."""

    def of(self, steps: slice) -> "Links":
        """Those of a run of frames without its last."""
        chosen = None if self.chosen is None else self.chosen[steps]
        return replace(self, flow=self.flow[steps], sure=self.sure[steps], chosen=chosen)

    def trajectories(self) -> Int[Tensor, "frames cells"]:
        """The number of the trajectory that each point lies on, numbered as they begin."""
        if self.flow.is_meta:  # shapes alone: long trajectories need most
            return torch.arange(self.flow[0, 0].numel()).expand(len(self.flow) + 1, -1)
        height, width = self.flow.shape[2:]
        y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
        cells = torch.stack([x, y]).flatten(1)
        rest = torch.zeros(2, height * width, dtype=self.flow.dtype)
        numbers, born = [torch.arange(height * width)], torch.zeros(height * width)
        count = height * width
        for step, flow in enumerate(self.flow.cpu()):
            moved = flow.flatten(1) + rest
            whole = moved.round()  # halves go to even numbers
            x, y = cells + whole
            inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
            linked = (inside & (self.sure[step].cpu().flatten() > self.least)).nonzero()[:, 0]
            target = (y * width + x)[linked].long()
            off = (moved - whole).square().sum(0)[linked]
            kept = self._kept(step, linked, target, (off, born[linked]))
            linked, target = linked[kept], target[kept]
            now = torch.full((height * width,), -1)
            now[target] = numbers[-1][linked]
            born = torch.full_like(born, step + 1).index_copy(0, target, born[linked])
            began = now < 0
            now[began] = torch.arange(count, count + int(began.sum()))
            count += int(began.sum())
            rest = torch.zeros_like(rest)
            if self.carried:
                rest[:, target] = (moved - whole)[:, linked]
            numbers.append(now)
        return torch.stack(numbers)

    def _kept(
        self,
        step: int,
        linked: Int[Tensor, " links"],
        target: Int[Tensor, " links"],
        beside: tuple[Tensor, Tensor],
    ) -> Int[Tensor, " kept"] | Bool[Tensor, " links"]:
        """At most one link to each target: the chosen one, else of the oldest trajectories the surest.

        Of those that are equally sure the one nearest to the middle of the target, and then the first.
        `beside` is how far from there they lead, and when their trajectories began.
        """
        if self.chosen is not None:
            several = torch.bincount(target, minlength=1)[target] > 1
            return ~several | (self.chosen[step].cpu()[target] == linked)
        off, born = beside
        sure = self.sure[step].cpu().flatten()[linked]
        order = np.lexsort((off.numpy(), -sure.numpy(), born.numpy(), target.numpy()))
        first = np.unique(target.numpy()[order], return_index=True)[1]
        return torch.from_numpy(order[first])


class Trajectories:
    """Attention of each point to all points of its trajectory.

    Those of one length go through attention together, so nothing is padded and nothing masked; a point that
    is alone keeps its value.
    """

    def __init__(self, numbers: Int[Tensor, "frames cells"], device: torch.device) -> None:
        points = numbers.flatten().argsort(stable=True)
        lengths = torch.bincount(numbers.flatten())
        ends = lengths.cumsum(0)
        self._runs: Sequence[Int[Tensor, "trajectories length"]] = [
            points[(ends - length)[lengths == length, None] + torch.arange(length)].to(device)
            for length in range(2, len(numbers) + 1)
            if bool((lengths == length).any())
        ]

    def attended(self, q: Heads, k: Heads, v: Heads) -> Heads:
        """The tokens are those of all points, frame by frame."""
        y = v.clone()
        for run in self._runs:
            for some in run.split(_AT_ONCE):
                asks, keys, values = (tokens[:, :, some].flatten(0, 1) for tokens in (q, k, v))
                found = F.scaled_dot_product_attention(asks, keys, values)
                y[:, :, some.flatten()] = found.unflatten(0, v.shape[:2]).flatten(2, 3)
        return y
