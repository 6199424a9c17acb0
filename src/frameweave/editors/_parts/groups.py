"""Frames in groups that are drawn anew at every timestep; the frames of a group attend to one another."""

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Int
from torch import Tensor

from frameweave.editors.request import EditRequest
from frameweave.errors import InputError
from frameweave.models.attention import Attend, Site, Tokens, overridden
from frameweave.models.norms import over_frames
from frameweave.models.seam import Guides, Latents

Shuffle = Literal["random", "strided", "local", "none"]
Order = Int[Tensor, " _"]
"""Numbers of frames, in the order in which they are cut into groups."""
OrderedEps = Callable[[Latents, float, Order], Latents]
"""Predicts the noise in the latents of a clip at a timestep, its groups being cut from that order."""


@dataclass(frozen=True)
class Grouping:
    """How the frames of a clip are put into groups."""

    size: int
    """Frames of a group at most. Of two, a clip of odd length has one group of three: no frame is alone."""
    shuffle: Shuffle = "random"
    anchor: int = -1
    """A frame that is in every group; -1 is none."""

    def check(self, frames: int) -> None:
        """Raise `InputError` for an anchor that a clip of so many frames does not have."""
        if self.anchor >= frames:
            raise InputError(
                f"anchor_frame is {self.anchor}, expected a frame of the clip, 0 to {frames - 1}",
                hint="0 is the first frame; leave it out for none",
            )

    def drawn(self, frames: int, rng: torch.Generator) -> Order:
        """All frames but the anchor, in an order that is drawn now."""
        others = self._others(frames)
        n = len(others)
        match self.shuffle:
            case "random":
                return others[torch.randperm(n, generator=rng)]
            case "local":
                return others.roll(int(torch.randint(max(n, 1), (1,), generator=rng)))
            case "strided":
                runs = others.split(max(self._count(n), 1))
                dealt = [run[torch.randperm(len(run), generator=rng)].tolist() for run in runs]
                every = [run[k] for k in range(len(runs[0])) for run in dealt if k < len(run)]
                return torch.tensor(every, dtype=torch.long)
            case "none":
                return others

    def replayed(self, given: Tensor, frames: int, steps: int) -> list[Order]:
        """Orders that were drawn elsewhere, one for each step.

        Raises `InputError` unless each has every frame once, but for the anchor.
        """
        expected = self._others(frames)
        fits = given.shape == (steps, len(expected))
        if not fits or not (given.sort(1).values == expected).all():
            raise InputError(
                f"permutations of shape {tuple(given.shape)}, expected the numbers of {len(expected)} frames "
                f"in each of {steps} rows, every one once",
                hint="give as many rows as the edit has steps",
            )
        return list(given.long())

    def groups(self, order: Order) -> list[list[int]]:
        """The frames of each group: runs of the order, as equal as can be, and the anchor before each."""
        anchor = [self.anchor] if self.anchor >= 0 else []
        runs = order.tensor_split(self._count(len(order)))
        return [anchor + run.tolist() for run in runs]

    def _others(self, frames: int) -> Order:
        every = torch.arange(frames)
        return every[every != self.anchor]

    def _count(self, others: int) -> int:
        """How many groups so many frames make, beside the anchor."""
        if self.anchor >= 0:
            return max(1, -(-others // (self.size - 1)))
        return max(1, min(-(-others // self.size), others // 2))


@contextmanager
def joint_eps(
    request: EditRequest, grouping: Grouping, guidance: float, guides: Guides, *, joint_norms: bool
) -> Generator[OrderedEps, None, None]:
    """The guided prediction in which self-attention takes keys and values from all frames of the group.

    Guidance branches stay apart. An anchor's prediction is the mean of those in all groups. ControlNets see
    each frame alone.
    """
    unet, some_eps, members = request.model.unet, request.some_eps(guidance, guides), 1

    def rule(x: Tokens, attend: Attend, site: Site) -> Tokens:
        everything = x.unflatten(0, (-1, members)).flatten(1, 2)
        return attend(x, everything, everything)

    def norms() -> AbstractContextManager[object]:
        return over_frames(unet, members, also_in_transformers=True) if joint_norms else nullcontext()

    def eps(x: Latents, t: float, order: Order) -> Latents:
        nonlocal members
        noise, groups = torch.zeros_like(x), grouping.groups(order)
        for group in groups:
            members = len(group)
            with norms():
                noise[group] += some_eps(x[group], t, group)
        if grouping.anchor >= 0:
            noise[grouping.anchor] /= len(groups)
        return noise

    with overridden(unet, rule):
        yield eps
