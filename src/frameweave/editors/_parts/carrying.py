"""What a few frames of a clip have, carried to the others along the source's motion."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from frameweave.models.seam import Latents
from frameweave.video.motion.motion import Motion
from frameweave.video.motion.warp import moved_back

_AT_ONCE = 16
"""Frames that are carried to at once, so that memory does not grow with the clip."""


@dataclass(frozen=True, eq=False)
class Way:
    """From each frame to the next anchor on one side: where its content is there, and how surely."""

    anchor: Int[Tensor, " F"]
    flow: Float[Tensor, "F 2 h w"]
    """From frame to frame, added up: motion knows neighbours only."""
    weight: Float[Tensor, "F 1 h w"]
    """0 where there is no anchor on that side, at anchors, and where the content is lost between."""

    @classmethod
    def over(cls, motion: Motion, anchors: Collection[int], *, later: bool) -> "Way":
        """To the next anchors that are later, or earlier, than each frame."""
        frames = len(motion)
        towards = motion.offsets.index(1 if later else -1)
        flow, weight = torch.zeros_like(motion.flow[0]), torch.zeros_like(motion.weight[0])
        found = torch.zeros(frames, dtype=torch.long)
        order: Iterable[int] = reversed(range(frames)) if later else range(frames)
        last: int | None = None
        now = torch.cat([flow[:1], weight[:1]], 1)
        for frame in order:
            if frame in anchors:
                last, now = frame, torch.zeros_like(now)
                now[:, 2] = 1
            elif last is not None:
                step = motion.flow[towards, frame, None]
                moved, inside = moved_back(now, step)
                sure = motion.weight[towards, frame, None] * inside * moved[:, 2:]
                now = torch.cat([step + moved[:, :2], sure], 1)
                found[frame], flow[frame], weight[frame] = last, now[0, :2], now[0, 2:]
        return cls(found, flow, weight)


@dataclass(frozen=True, eq=False)
class Carrying:
    """The ways from each frame to the anchors around it; near ones in time count for more."""

    earlier: Way
    later: Way

    @classmethod
    def over(cls, motion: Motion, anchors: Collection[int]) -> "Carrying":
        return cls(*(Way.over(motion, anchors, later=later) for later in (False, True)))

    def drawn(self, x: Latents, share: float, inside: Float[Tensor, "#F 1 h w"] | None = None) -> Latents:
        """x, drawn by this share to what the anchors have where they show the same content.

        Anchors count for as much as their content lies `inside`, from 0 to 1; None is everywhere.
        """
        region = None if inside is None else inside.to(x).expand(len(x), -1, -1, -1)
        return torch.cat(
            [self._drawn(x, part, share, region) for part in torch.arange(len(x)).split(_AT_ONCE)]
        )

    def _drawn(
        self, x: Latents, frames: Int[Tensor, " n"], share: float, region: Tensor | None
    ) -> Float[Tensor, "n C h w"]:
        here = out = x[frames]
        ways = self.earlier, self.later
        gaps = [(way.anchor[frames] - frames).abs().to(x) for way in ways]
        there = [way.weight[frames].to(x) for way in ways]
        if region is not None:
            there = [
                weight * moved_back(region[way.anchor[frames]], way.flow[frames].to(x))[0]
                for way, weight in zip(ways, there, strict=True)
            ]
        between = (gaps[0] + gaps[1]).clamp(min=1)
        for way, weight, gap, other in zip(ways, there, gaps, reversed(there), strict=True):
            near = 1 - other * (gap / between)[:, None, None, None]  # 1 where this anchor alone shows it
            moved, _ = moved_back(x[way.anchor[frames]], way.flow[frames].to(x))
            out = out + share * near * weight * (moved - here)
        return out
