"""Merging of similar tokens (after Bolya and Hoffman, 2023) between frames, as VidToMe does it.

Merged tokens are dropped, and get their destination's result back. So a merge is a choice of
positions and a way back, and several merges in a row are one: nothing but indices is composed.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from frameweave.diffusion.similarity import most_similar

Sequence = Float[Tensor, "_ _ D"]
"""Streams, tokens, width."""


@dataclass(frozen=True, eq=False)
class Merge:
    """The positions that stay, and for every position where its result is found among them.

    The first axis is 1 when all streams share them.
    """

    stay: Int[Tensor, "b M"]
    back: Int[Tensor, "b N"]

    def merged(self, x: Sequence) -> Sequence:
        """The tokens that stay."""
        return _taken(x, self.stay)

    def unmerged(self, y: Sequence) -> Sequence:
        """Every position's token; dropped ones get their destination's."""
        return _taken(y, self.back)

    def then(self, inner: "Merge") -> "Merge":
        """This merge, and another one of what stays."""
        b = max(len(self.stay), len(inner.stay))
        return Merge(
            self.stay.expand(b, -1).gather(1, inner.stay.expand(b, -1)),
            inner.back.expand(b, -1).gather(1, self.back.expand(b, -1)),
        )


def _taken(x: Sequence, index: Int[Tensor, "b M"]) -> Sequence:
    if len(index) == 1:
        return x.index_select(1, index[0])
    return x[torch.arange(len(x), device=x.device)[:, None], index]


def matched(
    source: Sequence, target: Sequence, ratio: float, *, aligned: bool
) -> tuple[Int[Tensor, "b U"], Int[Tensor, "b R"], Int[Tensor, "b R"]]:
    """Which source tokens stay (best last), which are merged (best first), and into which targets.

    All tokens have unit length. int(n * ratio) of n source tokens are merged: those with the
    greatest cosine similarity to a target. `aligned` streams share one matching, by their best
    similarity over all streams.
    """
    score, index = most_similar(source, target)
    if aligned:
        best = score.argmax(0, keepdim=True)
        score, index = score.gather(0, best), index.gather(0, best)
    order = score.argsort(dim=-1, descending=True)
    count = int(source.shape[1] * max(0.0, ratio))
    dropped, stay = order[:, :count], order[:, count:]
    return stay, dropped, index.gather(1, dropped)


def local(
    x: Sequence,
    frames: int,
    ratio: float,
    *,
    aligned: bool,
    stride: int,
    target: Callable[[int, int], int],
    loose_first: bool = True,
) -> Merge | None:
    """Merge the frames of a chunk (B, frames * S, D), level by level, until one frame is left.

    None when nothing is merged.

    At each level the frames fall into groups of `stride`; in each, one frame is the target:
    `target(level, n)` draws its place among n. Tokens of earlier levels that were not merged are
    targets too. Unless they stand first, they are mistaken for tokens of frames from the third level on.
    """
    size = x.shape[1] // frames
    tokens, merge, level, loose = F.normalize(x, dim=-1), None, 0, 0
    while frames > 1 and ratio > 0:
        group = min(stride, frames)
        source, into = _split(loose, frames, size, group, target(level, group), loose_first, x.device)
        stay, dropped, to = matched(
            tokens.index_select(1, source), tokens.index_select(1, into), ratio, aligned=aligned
        )
        inner = _level(source, into, stay, dropped, to)
        merge = inner if merge is None else merge.then(inner)
        tokens = inner.merged(tokens)
        loose += stay.shape[1]
        frames = (tokens.shape[1] - loose) // size
        level += 1
    return merge


@lru_cache(maxsize=64)
def _split(  # noqa: PLR0917 - a plain function of numbers, asked for in every layer
    loose: int, frames: int, size: int, group: int, place: int, loose_first: bool, device: torch.device
) -> tuple[Int[Tensor, " R"], Int[Tensor, " T"]]:
    """Positions of the source and of the target tokens, behind `loose` ones of earlier levels."""
    now = torch.arange(loose + frames * size, device=device)
    earlier, framed = now[:loose], now[loose:].view(frames, size)
    chosen = torch.arange(frames, device=device) % group == place
    targets = [earlier, framed[chosen].flatten()]
    return framed[~chosen].flatten(), torch.cat(targets if loose_first else targets[::-1])


def _level(source: Tensor, into: Tensor, stay: Tensor, dropped: Tensor, to: Tensor) -> Merge:
    """[source tokens that stay | targets] of a sequence of both."""
    b, kept = stay.shape
    back = torch.empty(b, len(source) + len(into), dtype=torch.long, device=source.device)
    back[:, into] = torch.arange(kept, kept + len(into), device=source.device)
    back.scatter_(1, source[stay], torch.arange(kept, device=source.device).expand(b, -1))
    back.scatter_(1, source[dropped], kept + to)
    return Merge(torch.cat([source[stay], into.expand(b, -1)], 1), back)


@dataclass(frozen=True, eq=False)
class Joined:
    """A chunk's tokens beside those remembered from the chunk before, some merged."""

    tokens: Sequence
    own: Int[Tensor, "b N"]
    """Where the chunk's own tokens are found in them."""

    def unjoined(self, y: Sequence) -> Sequence:
        return _taken(y, self.own)


def joined(
    x: Sequence, remembered: Sequence, ratio: float, *, aligned: bool, into_remembered: bool
) -> Joined:
    """Merge a chunk's tokens into the remembered ones, or those into the chunk's."""
    source, target = (x, remembered) if into_remembered else (remembered, x)
    unit = F.normalize(source, dim=-1), F.normalize(target, dim=-1)
    stay, dropped, to = matched(*unit, ratio, aligned=aligned)
    tokens = torch.cat([_taken(source, stay), target], 1)
    b, kept = stay.shape
    if not into_remembered:
        own = kept + torch.arange(target.shape[1], device=x.device)[None]
        return Joined(tokens, own)
    own = torch.empty(b, source.shape[1], dtype=torch.long, device=x.device)
    own.scatter_(1, stay, torch.arange(kept, device=x.device).expand(b, -1))
    own.scatter_(1, dropped, kept + to)
    return Joined(tokens, own)
