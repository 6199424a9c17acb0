"""What an editor knows of the clip that it edits."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from frameweave.diffusion.inversion import Trajectory
from frameweave.models.seam import Latents, VisionStates


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
        """How many steps an earlier run did, and its latents; puts the generator where it was."""
        ...

    def after(self, done: int, x: Latents, expected: Latents, rng: torch.Generator) -> None:
        """Is told of each step: how many are done, the latents, and the clean ones expected."""
        ...


@dataclass(frozen=True, eq=False, kw_only=True)
class Source:
    """The clip in latents, and what goes with it."""

    x_0: Latents
    """All frames, scaled. An editor that does not use the source takes only their shape."""
    prompt: str = ""
    """What the source shows."""
    depth: Float[Tensor, "F 1 H W"] | None = None
    """Inverse depth in [0, 1], near is 1."""
    seen: VisionStates | None = None
    """See `Model.seen`."""
    inversions: Inversions | None = None
    keeper: Keeper | None = None
    check_inversion: bool = False
    """Sample back from a new inversion and say how near that comes; doubles the inversion's time."""
    trajectory: Trajectory | None = None
    """An inversion to use instead of computing one."""
    draws: Mapping[str, Tensor] = field(default_factory=dict[str, Tensor])
    """Random draws to replay instead of drawing; each editor names its own."""

    def __len__(self) -> int:
        return len(self.x_0)
