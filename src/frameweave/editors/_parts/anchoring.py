"""A few frames of a clip lead: in each self-attention all others look at what these are made of."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from frameweave.editors.request import EditRequest, SomeEps
from frameweave.errors import InputError
from frameweave.models.attention import Attend, Site, Tokens
from frameweave.models.memory import Chunks
from frameweave.models.seam import Latents


def spread(count: int, frames: int) -> list[int]:
    """The middle frames of so many equal parts of a clip.

    >>> spread(3, 12), spread(3, 2), spread(0, 5)
    ([2, 6, 10], [0, 1], [])
    """
    count = min(count, frames)
    return [(2 * part + 1) * frames // (2 * count) for part in range(count)]


def check_given(request: EditRequest) -> None:
    """Raise `InputError` for edited frames that do not fit the clip."""
    one = [1, *request.x_0.shape[1:]]
    for number, latents in request.anchors.items():
        if not 0 <= number < len(request) or list(latents.shape) != one:
            raise InputError(
                f"an edited frame {number} of {list(latents.shape)} latents, "
                f"the clip has {len(request)} frames of {one}",
                hint="count the frames from 0, and give pictures of the clip's size",
            )


@dataclass(eq=False)
class Anchoring:
    """The rule of attention, and the order of the calls: anchors first, then the other frames.

    Guidance branches stay apart: each looks at its own branch of the anchors. What the anchors are made of
    is held for one prediction only, so memory does not grow with the steps or with the clip.
    """

    anchors: Sequence[int]
    """Their frames, ascending."""
    layers: Collection[str]
    """Names of the self-attentions in which frames look at anchors."""
    own: bool = True
    """Whether frames look at themselves too."""
    joint: bool = True
    """Whether anchors look at each other."""
    nearest: int = 3
    """How many anchors a frame looks at, those nearest in time."""
    _kept: dict[str, Float[Tensor, "branches A N D"]] = field(default_factory=dict[str, Tensor])
    _new: dict[str, Float[Tensor, "branches A N D"]] = field(default_factory=dict[str, Tensor])
    _frames: Sequence[int] = ()
    """Those of the present call."""
    _leads: bool = False
    """Whether they are anchors."""

    def predicted(self, eps: SomeEps, x: Latents, t: float, chunks: Chunks) -> Latents:
        """The noise in all frames. Where anchors look at each other, they are one call of the network."""
        out, others = torch.empty_like(x), [n for n in range(len(x)) if n not in set(self.anchors)]
        self._kept.clear()
        for frames, leads in ((list(self.anchors), True), (others, False)):
            whole = leads and self.joint
            size = Chunks(len(frames), chunks.progress, divisible=False) if whole else chunks

            def part(chunk: slice, frames: list[int] = frames, leads: bool = leads) -> Latents:
                self._begin(frames[chunk], leads=leads)
                found = eps(x[self._frames], t, list(self._frames))
                self._keep()
                return found

            if frames:
                out[frames] = size.over(len(frames), part)
        return out

    def rule(self, x: Tokens, attend: Attend, site: Site) -> Tokens:
        if site.name not in self.layers:
            return attend(x, x, x)
        apart = x.unflatten(0, (-1, len(self._frames)))
        if self._leads:
            self._new[site.name] = apart
            seen = apart.flatten(1, 2) if self.joint else x
            return attend(x, seen, seen)
        kept = self._kept[site.name]
        chosen = self._chosen()
        if chosen is not None:
            kept = kept[:, chosen]  # branches, frames, anchors of each, N, D
        if self.own:
            kept = kept if chosen is not None else kept[:, None].expand(-1, len(self._frames), -1, -1, -1)
            seen = torch.cat([apart[:, :, None], kept], 2).flatten(2, 3).flatten(0, 1)
        else:
            seen = kept.flatten(-3, -2).flatten(0, -3)
        return attend(x, seen, seen)

    def _begin(self, frames: Sequence[int], *, leads: bool) -> None:
        """A call that failed for want of memory leaves nothing behind."""
        self._frames, self._leads = frames, leads
        self._new.clear()

    def _keep(self) -> None:
        for name, new in self._new.items():
            self._kept[name] = torch.cat([self._kept[name], new], 1) if name in self._kept else new
        self._new.clear()

    def _chosen(self) -> list[list[int]] | None:
        """Which anchors each frame of the call looks at; None for all."""
        if len(self.anchors) <= self.nearest:
            return None
        places = range(len(self.anchors))
        return [
            sorted(sorted(places, key=lambda place: abs(self.anchors[place] - frame))[: self.nearest])
            for frame in self._frames
        ]
