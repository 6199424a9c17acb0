"""`Motion`: where a clip's content is found in its neighbouring frames, and averages along it."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from frameweave.video.clip import as_frames, picture_of
from frameweave.video.colours import Picture
from frameweave.video.motion.given import GivenFlow
from frameweave.video.motion.providers import FlowProvider, dis
from frameweave.video.motion.warp import moved_back

_ALIKE = 0.1
"""The difference in colour, of the full range, at which a neighbour's weight has fallen to exp(-1/2)."""
_CUT = 0.3
"""The share of a frame that must be followed to another one; below it there is a cut between them."""
_AWAY = 1e6
"""Pixels that stand for flow which is not known: so far away nothing is followed."""
_AT_ONCE = 16
"""Frames that are averaged at once, so that memory does not grow with the clip."""
Numbered = tuple[int, Picture]
"""A frame's number in the clip, and its picture."""
Followed = tuple[Tensor, Tensor]
"""Flow (1 2 H W) to another picture, and how surely it is followed (1 1 H W)."""


@dataclass(frozen=True, eq=False)
class Motion:
    """For each frame and each neighbour at most `radius` away, where the content is there, and how surely.

    It can be at the size of the pictures or of latents; `flow` is in its own cells.
    """

    offsets: tuple[int, ...]
    """Which neighbours: -radius, ..., -1, 1, ..., radius."""
    flow: Float[Tensor, "K F 2 h w"]
    """How far each cell's content is moved in the neighbour, x to the right and y down."""
    weight: Float[Tensor, "K F 1 h w"]
    """How surely it is seen there, in [0, 1]; 0 beyond the clip and across cuts."""

    @classmethod
    def unknown(
        cls, frames: int, radius: int, size: tuple[int, int], *, device: torch.device | str = "cpu"
    ) -> "Motion":
        """That of a clip in which nothing is followed, at a size of (height, width)."""
        offsets = (*range(-radius, 0), *range(1, radius + 1))
        flow = torch.zeros(2 * radius, frames, 2, *size, device=device)
        return cls(offsets, flow, torch.zeros_like(flow[:, :, :1]))

    def __len__(self) -> int:
        return self.flow.shape[1]

    @property
    def radius(self) -> int:
        return max(self.offsets, default=0)

    def within(self, radius: int) -> "Motion":
        """The same to the neighbours at most so far away."""
        near = [at for at, offset in enumerate(self.offsets) if abs(offset) <= radius]
        if len(near) == len(self.offsets):
            return self
        return Motion(tuple(self.offsets[at] for at in near), self.flow[near], self.weight[near])

    def first(self, frames: int) -> "Motion":
        """That of the first frames alone."""
        if frames >= len(self):
            return self
        weight = self.weight[:, :frames].clone()
        for at, offset in enumerate(self.offsets):
            if offset > 0:
                weight[at, max(0, frames - offset) :] = 0
        return Motion(self.offsets, self.flow[:, :frames], weight)

    def averaged(
        self,
        x: Float[Tensor, "F C h w"],
        *,
        radius: int | None = None,
        inside: Float[Tensor, "#F 1 h w"] | None = None,
    ) -> Float[Tensor, "F C h w"]:
        """x at each frame, averaged with that of its neighbours along the motion; x has the motion's size.

        With weights w of neighbours g it is (x_f + sum w_g x_g(p + u_g)) / (1 + sum w_g). Neighbours count
        for as much as their content lies `inside`, from 0 to 1; None is everywhere.
        """
        reach = self.radius if radius is None else radius
        near = [at for at, offset in enumerate(self.offsets) if abs(offset) <= reach]
        region = None if inside is None else inside.to(x).expand(len(x), -1, -1, -1)
        parts = torch.arange(len(x)).split(_AT_ONCE)
        return torch.cat([self._averaged(x, part, near, region) for part in parts])

    def _averaged(self, x: Tensor, frames: Tensor, near: Sequence[int], region: Tensor | None) -> Tensor:
        total, weights = x[frames].clone(), torch.ones_like(x[frames, :1])
        for at in near:
            there = (frames + self.offsets[at]).clamp(0, len(x) - 1)
            flow = self.flow[at, frames].to(x)
            moved, _ = moved_back(x[there], flow)
            weight = self.weight[at, frames].to(x)
            if region is not None:
                weight = weight * moved_back(region[there], flow)[0]
            total += weight * moved
            weights += weight
        return total / weights


@dataclass(eq=False)
class MotionMaker:
    """Makes the motion of a clip that comes in batches, at a size of its own, such as that of latents.

    Of the frames it holds as many as the radius is.
    """

    radius: int
    size: tuple[int, int] | None = None
    """Height and width of the motion; None is that of the pictures."""
    provider: FlowProvider | GivenFlow = dis
    _recent: deque[Picture] = field(init=False)
    _pairs: list[dict[int, tuple[Tensor, Tensor]]] = field(init=False)

    def __post_init__(self) -> None:
        self._recent, self._pairs = deque(maxlen=max(1, self.radius)), []

    def add(self, frames: Float[Tensor, "F 3 H W"]) -> None:
        """The next frames, in [0, 1]."""
        for frame in frames:
            picture = picture_of(frame)
            self._pairs.append({})
            now = len(self._pairs) - 1
            for back, earlier in enumerate(reversed(self._recent), 1):
                if back <= self.radius:
                    to, from_ = self._both((now - back, earlier), (now, picture))
                    self._pairs[now - back][back], self._pairs[now][-back] = to, from_
            self._recent.append(picture)

    def made(self) -> Motion:
        """The motion of all frames so far."""
        size = self.size or (self._recent[-1].shape[:2] if self._recent else (0, 0))
        motion = Motion.unknown(len(self._pairs), self.radius, size)
        for frame, pairs in enumerate(self._pairs):
            for offset, (flow, weight) in pairs.items():
                at = motion.offsets.index(offset)
                motion.flow[at, frame], motion.weight[at, frame] = flow, weight
        return motion

    def _both(self, a: Numbered, b: Numbered) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
        """Flow and weight from a to b, and from b to a, at the motion's size."""
        there, back = both_ways(a, b, self.provider, size=self.size)
        return (there[0][0], there[1][0]), (back[0][0], back[1][0])


def motion_of(
    frames: Float[Tensor, "F 3 H W"],
    radius: int = 1,
    *,
    size: tuple[int, int] | None = None,
    provider: FlowProvider | GivenFlow = dis,
) -> Motion:
    """The motion of a clip that is held in memory; at the size of the frames, or at one of (height, width).

    For each frame and each neighbour at most `radius` away it tells where content is found there.
    """
    maker = MotionMaker(radius, size, provider)
    maker.add(frames)
    return maker.made()


def both_ways(
    a: Numbered, b: Numbered, provider: FlowProvider | GivenFlow, *, size: tuple[int, int] | None = None
) -> tuple[Followed, Followed]:
    """How the content of a is followed to b, and that of b to a; in cells of a size (height, width)."""
    there, back = _between(a, b, provider), _between(b, a, provider)
    seen_a, seen_b = (as_frames(picture[None]) for _, picture in (a, b))
    weights = _weight(there, back, seen_a, seen_b), _weight(back, there, seen_b, seen_a)
    return _sized(there, weights[0], size), _sized(back, weights[1], size)


def _sized(flow: Tensor, weight: Tensor, size: tuple[int, int] | None) -> Followed:
    """In cells of that size, each with the mean of what is known in it; 0 where nothing is."""
    known = _known(flow)
    flow = torch.where(known, flow, 0)
    if size is None or flow.shape[2:] == size:
        return flow, weight
    scale = torch.tensor([size[1] / flow.shape[3], size[0] / flow.shape[2]])[:, None, None]
    flow, share, weight = (F.adaptive_avg_pool2d(one, size) for one in (flow, known.float(), weight))
    return flow / share.clamp(min=1e-6) * scale, weight


def _between(a: Numbered, b: Numbered, provider: FlowProvider | GivenFlow) -> Float[Tensor, "1 2 H W"]:
    """The flow from a to b, beyond all frames where it is unknown."""
    (i, picture), (j, other) = a, b
    if isinstance(provider, GivenFlow):
        field = provider.between(i, j, picture.shape[:2])
    else:
        field = provider(picture, other)
    flow = torch.as_tensor(field).permute(2, 0, 1)[None].float()
    return flow.nan_to_num(_AWAY, _AWAY, _AWAY)


def _known(flow: Tensor) -> Bool[Tensor, "1 1 H W"]:
    return (flow.abs() < _AWAY).all(1, keepdim=True)


def _weight(flow: Tensor, back: Tensor, here: Tensor, there: Tensor) -> Float[Tensor, "1 1 H W"]:
    """How surely content is followed: the flow back agrees, and the colours do; 0 across a cut."""
    returned, inside = moved_back(back, flow)
    lengths = flow.square().sum(1, keepdim=True) + returned.square().sum(1, keepdim=True)
    agrees = (flow + returned).square().sum(1, keepdim=True) < 0.01 * lengths + 0.5
    seen = (inside & agrees & _known(flow)).float()
    if float(seen.mean()) < _CUT:
        return torch.zeros_like(seen)
    moved, _ = moved_back(there, flow)
    unlike = (here - moved).square().mean(1, keepdim=True)
    return seen * torch.exp(-unlike / (2 * _ALIKE**2))
