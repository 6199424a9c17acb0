"""What an edit hands over to be kept: its inversions, and where it stopped."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from frameweave.diffusion.inversion import Trajectory
from frameweave.models.seam import Latents


@runtime_checkable
class Inversions(Protocol):
    """Keeps inversions, so that a second edit of the same clip need not invert it again."""

    def room(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        """Where a trajectory is put while it is computed."""
        ...

    def recall(self, x_0: Latents, about: str) -> Trajectory | None:
        """The trajectory of these latents that was kept under the same words, if there is one."""
        ...

    def keep(self, trajectory: Trajectory, about: str) -> None: ...


@runtime_checkable
class Keeper(Protocol):
    """Follows a long edit step by step; may bring back where an earlier run stopped."""

    def earlier(self, rng: torch.Generator) -> tuple[int, Latents] | None:
        """How many steps an earlier run did, and its latents; puts the generator where it was.

        Behind the latents comes what the sampler remembers; see `AfterStep`.
        """
        ...

    def after(self, done: int, x: Latents, expected: Latents, rng: torch.Generator) -> None:
        """Is told of each step: how many are done, the latents, and the clean ones expected."""
        ...


@dataclass(eq=False)
class Shared:
    """What the source alone decides, in the machine's memory, for further prompts of one command.

    It belongs to one clip, one model, one source prompt and one editor with its settings.
    """

    most: int = 2**31
    """Bytes that it holds; what does not fit is made anew each time."""
    _kept: dict[str, Tensor] = field(default_factory=dict[str, Tensor])

    def once(self, about: str, make: Callable[[], Tensor]) -> Tensor:
        """What was made under these words, or is made now; it may lie on the CPU."""
        if about in self._kept:
            return self._kept[about]
        made = make()
        if sum(one.nbytes for one in self._kept.values()) + made.nbytes <= self.most:
            self._kept[about] = made.cpu()
        return made
