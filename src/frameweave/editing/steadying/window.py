"""Edited frames made steadier one after the other, of which 2 k + 1 are held."""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from frameweave.editing.given.mask import laid_over
from frameweave.editing.steadying.beside import Both
from frameweave.editing.steadying.figures import Measuring
from frameweave.editing.steadying.survey import Survey
from frameweave.video import Picture, TimedPicture
from frameweave.video.clip import blurred_frames
from frameweave.video.motion.given import GivenFlow
from frameweave.video.motion.motion import Followed, both_ways
from frameweave.video.motion.providers import FlowProvider
from frameweave.video.motion.warp import moved_back


@dataclass(eq=False)
class _Held:
    """A frame in the window; values are of 255, so that those of pictures are exact."""

    number: int
    frame: Both
    edit: Float[Tensor, "1 3 H W"]
    matched: Float[Tensor, "1 3 H W"]
    """The edit with the tint and contrast of the frames around it."""
    change: Float[Tensor, "1 3 H W"]
    """What of the edit is averaged."""
    inside: Float[Tensor, "1 1 H W"] | None
    near: dict[int, Followed] = field(default_factory=dict[int, Followed])
    """How the source is followed to other frames of the window."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Window:
    """Averages what an edit has changed along the motion of its source, within each shot."""

    survey: Survey
    provider: FlowProvider | GivenFlow
    radius: int
    strength: float
    low_pass: float = 0.0
    """Sigma in pixels of what is averaged; 0 is all."""
    measuring: Measuring = field(default_factory=Measuring)

    def steadied(self, frames: Iterable[Both]) -> Iterator[TimedPicture]:
        """All frames; each comes when the window has those after it. What equals the source stays so."""
        window: deque[_Held] = deque(maxlen=2 * self.radius + 1)
        waiting: deque[_Held] = deque()
        for number, frame in enumerate(frames):
            now = self._held(number, frame)
            for last in list(window)[-self.radius :]:
                if self._of_one_shot(last, now):
                    ahead, back = both_ways(
                        (last.number, last.frame.source), (number, frame.source), self.provider
                    )
                    last.near[number], now.near[last.number] = ahead, back
            window.append(now)
            waiting.append(now)
            if len(waiting) > self.radius:
                yield self._done(waiting.popleft(), window)
        while waiting:
            yield self._done(waiting.popleft(), window)

    def _of_one_shot(self, a: _Held, b: _Held) -> bool:
        return self.survey.shots[a.number] == self.survey.shots[b.number]

    def _held(self, number: int, frame: Both) -> _Held:
        edit, source = _values(frame.edited.pixels), _values(frame.source)
        inside = (
            None if frame.inside is None else torch.from_numpy(frame.inside.copy()).permute(2, 0, 1)[None]
        )
        weight = torch.ones_like(edit[:, :1]) if inside is None else inside
        mean = (edit * weight).sum((2, 3), keepdim=True) / weight.sum().clamp(min=1e-6)
        gain, shift = (of[number][None, :, None, None] for of in (self.survey.gain, self.survey.shift))
        matched = edit + (gain - 1) * (edit - mean) + shift
        change = matched - source
        if self.low_pass:
            change = _blurred(change, weight, self.low_pass)
        return _Held(number, frame, edit, matched, change, inside)

    def _done(self, held: _Held, window: Iterable[_Held]) -> TimedPicture:
        averaged = self._averaged(held, {one.number: one for one in window})
        steadier = held.edit + self.strength * (held.matched - held.edit + averaged - held.change)
        pixels = steadier[0].clamp(0, 255).round().byte().permute(1, 2, 0).numpy()
        frame = held.frame
        if frame.inside is not None:
            pixels = laid_over(frame.source, pixels, frame.inside)
        self._measure(held, pixels)
        held.near.clear()
        return TimedPicture(pixels, frame.edited.time, frame.edited.duration)

    def _averaged(self, held: _Held, others: dict[int, _Held]) -> Tensor:
        total, weights = held.change.clone(), torch.ones_like(held.change[:, :1])
        for number, (flow, followed) in held.near.items():
            other = others[number]
            moved, _ = moved_back(other.change, flow)
            weight = followed if other.inside is None else followed * moved_back(other.inside, flow)[0]
            total += weight * moved
            weights += weight
        return total / weights

    def _measure(self, held: _Held, pixels: Picture) -> None:
        nothing = torch.zeros(1, 2, *held.edit.shape[2:]), torch.zeros_like(held.edit[:, :1])
        three = (_values(held.frame.source), held.edit, _values(pixels))
        source, before, after = (values / 255 for values in three)
        self.measuring.add(source, before, after, held.near.get(held.number - 1, nothing))


def _blurred(change: Tensor, weight: Tensor, sigma: float) -> Tensor:
    """Of what lies inside alone: what is outside of the mask is no edit, and must not come in."""
    return blurred_frames(change * weight, sigma) / blurred_frames(weight, sigma).clamp(min=1e-6)


def _values(pixels: Picture) -> Float[Tensor, "1 3 H W"]:
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float()
