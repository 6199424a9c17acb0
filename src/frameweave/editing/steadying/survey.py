"""What is found out of all frames before the first one is written: cuts, and the tint of each frame."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from frameweave.editing.given.mask import Weights
from frameweave.editing.steadying.beside import Both
from frameweave.video import Picture
from frameweave.video.clip import as_frames, picture_of, resized_frames
from frameweave.video.motion.given import GivenFlow
from frameweave.video.motion.motion import Followed, both_ways
from frameweave.video.motion.providers import FlowProvider
from frameweave.video.motion.warp import moved_back

_LONGEST = 256
"""Pixels of the longer side at which frames are looked at."""
_REACH = 6
"""Frames to each side over whose mean tint and contrast are kept."""
_LEAST, _MOST = 0.8, 1.25
"""How much the contrast of a frame may be changed."""
_USUAL = 4
"""How many times the median deviation a change may be away from the median one."""
_FLAT = 1 / 255
"""Contrast below which a frame counts as flat."""


@dataclass(frozen=True, eq=False)
class Survey:
    """Of each frame the number of its shot, and what brings its tint and contrast to those around it."""

    shots: tuple[int, ...]
    shift: Float[Tensor, "F 3"]
    """To be added, of 255."""
    gain: Float[Tensor, "F 3"]
    """By which the distance to the frame's mean is to be multiplied."""

    def __len__(self) -> int:
        return len(self.shots)


@dataclass(frozen=True, eq=False)
class _Seen:
    """A frame, made small."""

    number: int
    picture: Picture
    """Of the source."""
    both: Float[Tensor, "1 6 h w"]
    """The edit and the source, in [0, 1]."""
    inside: Float[Tensor, "1 1 h w"]

    @classmethod
    def of(cls, number: int, frame: Both) -> "_Seen":
        edit, source = (small(pixels) for pixels in (frame.edited.pixels, frame.source))
        inside = torch.ones_like(edit[:, :1]) if frame.inside is None else small_weights(frame.inside)
        return cls(number, picture_of(source[0]), torch.cat([edit, source], 1), inside)


def surveyed(frames: Iterable[Both], provider: FlowProvider | GivenFlow, *, tint: bool) -> Survey:
    """Look at all frames, of which two are held at once.

    Tint is compared on content that is followed from frame to frame, and where it changes as in most of the
    frame, so that an object which comes in shifts nothing; and against the source, whose own changes of light
    stay.
    """
    shots, drifts = [0], [torch.zeros(2, 3)]
    last: _Seen | None = None
    for number, frame in enumerate(frames):
        now = _Seen.of(number, frame)
        if last is not None:
            ahead, back = both_ways((last.number, last.picture), (now.number, now.picture), provider)
            cut = not (bool(ahead[1].any()) and bool(back[1].any()))
            shots.append(shots[-1] + cut)
            still = cut or not tint
            drifts.append(torch.zeros(2, 3) if still else _drift(last, now, ahead, back))
        last = now
    tracks = torch.stack(drifts).cumsum(0)
    shift, gain = torch.zeros(len(shots), 3), torch.ones(len(shots), 3)
    for number, near in enumerate(_neighbours(shots)):
        away = tracks[near].mean(0) - tracks[number]
        shift[number], gain[number] = 255 * away[0], away[1].exp().clamp(_LEAST, _MOST)
    return Survey(tuple(shots), shift, gain)


def small(pixels: Picture) -> Float[Tensor, "1 3 h w"]:
    """A picture in [0, 1], at most so large as frames are looked at."""
    return resized_frames(as_frames(pixels.copy()[None]), _small_size(pixels.shape[1], pixels.shape[0]))


def small_weights(inside: Weights) -> Float[Tensor, "1 1 h w"]:
    """Those of a mask likewise."""
    weights = torch.from_numpy(inside.copy()).permute(2, 0, 1)[None]
    return resized_frames(weights.expand(1, 3, -1, -1), _small_size(inside.shape[1], inside.shape[0]))[:, :1]


def _small_size(width: int, height: int) -> tuple[int, int]:
    scale = min(1.0, _LONGEST / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def _neighbours(shots: list[int]) -> Iterator[list[int]]:
    """Of each frame those around it in its shot."""
    for number, shot in enumerate(shots):
        reach = range(max(0, number - _REACH), min(len(shots), number + _REACH + 1))
        yield [other for other in reach if shots[other] == shot]


def _drift(last: _Seen, now: _Seen, ahead: Followed, back: Followed) -> Float[Tensor, "2 3"]:
    """How far tint and contrast have gone from one frame to the next.

    Both ways are taken: what is moved along a flow is blurred a little, which would count as less contrast.
    """
    return (_changed(last, now, ahead) - _changed(now, last, back)) / 2


def _changed(here: _Seen, there: _Seen, followed: Followed) -> Float[Tensor, "2 3"]:
    """Mean change of the edit's difference to the source, and of the logarithm of its contrast."""
    flow, weight = followed
    moved, _ = moved_back(torch.cat([there.both, there.inside], 1), flow)
    weight = weight * here.inside * moved[:, 6:]
    changes = moved[:, :3] - moved[:, 3:6] - (here.both[:, :3] - here.both[:, 3:])
    weight = weight * _usual(changes, weight)
    whole = weight.sum()
    if not whole:
        return torch.zeros(2, 3)

    def mean(x: Tensor) -> Tensor:
        return (x * weight).sum((2, 3), keepdim=True) / whole

    def contrast(x: Tensor) -> Tensor:
        return (mean((x - mean(x)).square()).sqrt() + _FLAT).log()

    before, after = (contrast(both[:, :3]) - contrast(both[:, 3:6]) for both in (here.both, moved))
    return torch.stack([mean(changes).flatten(), (after - before).flatten()])


def _usual(changes: Float[Tensor, "1 3 h w"], weight: Float[Tensor, "1 1 h w"]) -> Float[Tensor, "1 1 h w"]:
    """Where a frame changes as most of it does, and no part of the edit comes or goes."""
    seen = changes[0, :, weight[0, 0] > 0]
    if not seen.numel():
        return torch.zeros_like(weight)
    middle = seen.median(1, keepdim=True).values
    spread = (seen - middle).abs().median(1, keepdim=True).values
    far = (changes - middle[None, :, :, None]).abs() > (_USUAL * spread + _FLAT)[None, :, :, None]
    return (~far.any(1, keepdim=True)).float()
