"""FLATTEN's published program, written out slowly from what is known of it, for a network of our own.

It records where the editor computes again, doubles where the editor does not, and walks point by point.
"""

from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

Point = tuple[int, int, int]
"""Frame, row, column."""
INJECTED_BLOCKS = ["up_blocks.1.resnets.0", "up_blocks.1.resnets.1", "up_blocks.2.resnets.0"]
INJECTED_ATTENTIONS = [
    f"up_blocks.{name}.transformer_blocks.0.attn1"
    for name in (
        "1.attentions.1", "1.attentions.2", "2.attentions.0", "2.attentions.1", "2.attentions.2",
        "3.attentions.0",
    )
]  # fmt: skip


@dataclass
class Chains:
    """The trajectories of all points, and the choices that were made on the way."""

    frames: int
    side: int
    of: dict[Point, list[Point]] = field(default_factory=dict[Point, list[Point]])
    chosen: Tensor = field(default_factory=lambda: torch.empty(0))
    """As the editor takes them: frames - 1, cells."""
    conflicts: int = 0

    @property
    def longest(self) -> int:
        return max(len(chain) for chain in self.of.values())


def chains(flow: Tensor, side: int, rng: torch.Generator) -> Chains:
    """From flow in pixels of a square canvas; which of several cells is followed is drawn."""
    steps, _, canvas, _ = flow.shape
    made = Chains(steps + 1, side, chosen=torch.full((steps, side * side), -1))
    link: dict[Point, Point] = {}
    for t in range(steps):
        into: dict[Point, list[Point]] = {}
        for row in range(side):
            for column in range(side):
                corner = flow[t, :, row * canvas // side, column * canvas // side] / canvas
                dx, dy = (int(torch.round(side * part)) for part in corner)
                goal = (t + 1, row + dy, column + dx)
                if 0 <= goal[1] < side and 0 <= goal[2] < side:
                    into.setdefault(goal, []).append((t, row, column))
        for goal, several in into.items():
            kept = several[int(torch.randint(len(several), (1,), generator=rng))]
            link[kept] = goal
            if len(several) > 1:
                made.conflicts += 1
                made.chosen[t, goal[1] * side + goal[2]] = kept[1] * side + kept[2]
    for t in range(steps + 1):
        for row in range(side):
            for column in range(side):
                point = (t, row, column)
                if point in made.of:
                    continue
                chain = [point]
                while chain[-1] in link:
                    chain.append(link[chain[-1]])
                made.of.update(dict.fromkeys(chain, chain))
    return made


def sequence(made: Chains, point: Point) -> list[Point | None]:
    """Itself, neighbours in a square of five, room up to 25, others of its chain, room; None is room."""
    t, row, column = point
    near = [
        (t, row + dy, column + dx)
        for dy in range(-2, 3)
        for dx in range(-2, 3)
        if (dy, dx) != (0, 0) and 0 <= row + dy < made.side and 0 <= column + dx < made.side
    ]
    block: list[Point | None] = [point, *near]
    block += [None] * (25 - len(block))
    rest: list[Point | None] = [other for other in made.of[point] if other != point]
    return block + rest + [None] * (made.longest - 1 - len(rest))


def keys_of(made: Chains) -> tuple[Tensor, Tensor]:
    """For each point, the numbers of the points it sees in the second attention, and which are there."""
    numbers: list[list[int]] = []
    for t in range(made.frames):
        for row in range(made.side):
            for column in range(made.side):
                listed = sequence(made, (t, row, column))
                used = [listed[0], *listed[-(made.frames - 1) :]]
                numbers.append(
                    [-1 if p is None else (p[0] * made.side + p[1]) * made.side + p[2] for p in used]
                )
    found = torch.tensor(numbers)
    return found.clamp(min=0), found >= 0


def heads_of(x: Tensor, heads: int) -> Tensor:
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)


@dataclass
class Program:
    """The changed network, with what it records and what is injected."""

    unet: Any
    frames: int
    side: int
    keys: Tensor
    there: Tensor
    old_qk: bool
    q: dict[str, Tensor] = field(default_factory=dict[str, Tensor])
    k: dict[str, Tensor] = field(default_factory=dict[str, Tensor])
    branch: dict[str, Tensor] = field(default_factory=dict[str, Tensor])
    injected_q: dict[str, Tensor] = field(default_factory=dict[str, Tensor])
    injected_k: dict[str, Tensor] = field(default_factory=dict[str, Tensor])
    injected_branch: dict[str, Tensor] = field(default_factory=dict[str, Tensor])

    def attention(self, name: str, attn: Any, x: Tensor) -> Tensor:
        n = x.shape[1]
        q, k, v = attn.to_q(x), attn.to_k(x), attn.to_v(x)
        self.q[name], self.k[name] = q, k
        q, k = self.injected_q.get(name, q), self.injected_k.get(name, k)
        clips = [part.unflatten(0, (2, self.frames)).flatten(1, 2) for part in (q, k, v)]
        asks, keys, values = (heads_of(part, attn.heads) for part in clips)
        width = asks.shape[-1]
        parts = [
            (part @ keys.transpose(-1, -2) / width**0.5).softmax(-1) @ values
            for part in asks.split(16, dim=2)
        ]
        y = torch.cat(parts, 2).transpose(1, 2).flatten(2)  # b, F n, C
        if n == self.side**2:
            one, other = (clips[0], clips[1]) if self.old_qk else (y, y)
            asks = heads_of(one, attn.heads)[:, :, :, None]  # b, h, points, 1, d
            keys, values = (heads_of(part, attn.heads)[:, :, self.keys] for part in (other, y))
            scores = asks @ keys.transpose(-1, -2) / width**0.5
            scores = scores.masked_fill(~self.there[:, None], -torch.inf)
            y = (scores.softmax(-1) @ values)[:, :, :, 0].transpose(1, 2).flatten(2)
        return attn.to_out[0](y).unflatten(1, (self.frames, n)).flatten(0, 1)

    @contextmanager
    def on(self) -> Generator[None, None, None]:
        """Group norms in 5-D, attention as above, and the ends of residual branches kept or replaced."""
        with ExitStack() as stack:
            for name, module in self.unet.named_modules():
                if isinstance(module, nn.GroupNorm) and "attentions" not in name:
                    module.forward = self._joint(module)  # pyright: ignore
                    stack.callback(module.__dict__.pop, "forward")
                if name.endswith("attn1"):
                    stack.callback(module.set_processor, module.processor)
                    module.set_processor(self._processor(name))
                if name in INJECTED_BLOCKS:
                    stack.callback(module.conv2.register_forward_hook(self._end(name)).remove)
            yield

    def _joint(self, norm: nn.GroupNorm) -> Any:
        def forward(x: Tensor) -> Tensor:
            whole = x.unflatten(0, (2, self.frames)).transpose(1, 2)
            y = nn.functional.group_norm(whole, norm.num_groups, norm.weight, norm.bias, norm.eps)
            return y.transpose(1, 2).flatten(0, 1)

        return forward

    def _processor(self, name: str) -> Any:
        def process(attn: Any, hidden_states: Tensor, *_: Any, **__: Any) -> Tensor:
            return self.attention(name, attn, hidden_states)

        return process

    def _end(self, name: str) -> Any:
        def hook(_module: nn.Module, _inputs: Any, output: Tensor) -> Tensor:
            self.branch[name] = output
            return self.injected_branch.get(name, output)

        return hook

    def predict(self, x: Tensor, t: int, text: Tensor) -> Tensor:
        """Both halves."""
        out = self.unet(x.repeat(2, 1, 1, 1), t, text.repeat_interleave(self.frames, 0), return_dict=False)
        return out[0].unflatten(0, (2, self.frames))


@dataclass(frozen=True)
class Texts:
    empty: Tensor
    negative: Tensor
    prompt: Tensor


@torch.no_grad()
def edited(
    program: Program,
    x_0: Tensor,
    texts: Texts,
    alpha_bar: Tensor,
    *,
    steps: int,
    inject: int,
    scale: float,
    inversion: int = 100,
) -> list[Tensor]:
    """The noisiest latents of the inversion, then those after each step of the edit."""
    visited = [1 + (1000 // steps) * k for k in range(steps)]
    records: list[tuple[dict[str, Tensor], ...]] = []
    z = x_0
    with program.on():
        gap = 1000 // inversion
        for t in range(1, 1000 - gap, gap):
            both = program.predict(z, t, torch.cat([texts.empty, texts.empty]))
            eps = both[0] + 1.0 * (both[1] - both[0])
            a, to = alpha_bar[t], alpha_bar[t + gap]
            z = to.sqrt() * (z - (1 - a).sqrt() * eps) / a.sqrt() + (1 - to).sqrt() * eps
            if t in visited:
                records.append((dict(program.branch), dict(program.q), dict(program.k)))
        records.reverse()
        latents = [z]
        for i, t in enumerate(reversed(visited)):
            if i < inject:
                branch, q, k = records[i]
                program.injected_branch = branch
                program.injected_q = {name: q[name] for name in INJECTED_ATTENTIONS}
                program.injected_k = {name: k[name] for name in INJECTED_ATTENTIONS}
            both = program.predict(z, t, torch.cat([texts.negative, texts.prompt]))
            program.injected_branch, program.injected_q, program.injected_k = {}, {}, {}
            eps = both[0] + scale * (both[1] - both[0])
            a = alpha_bar[t]
            to = alpha_bar[max(t - 1000 // steps, 0)]  # the last goes to that of timestep 0
            z = to.sqrt() * (z - (1 - a).sqrt() * eps) / a.sqrt() + (1 - to).sqrt() * eps
            latents.append(z)
    return latents
