"""DDIM inversion: from a clean latent to the noise from which DDIM sampling gives it back."""

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from frameweave.diffusion.sampling import Eps, ddim_step
from frameweave.diffusion.schedule import Schedule
from frameweave.progress import SILENT, Progress

Room = Callable[[tuple[int, ...], torch.dtype], Tensor]
"""Gives a tensor to fill, on the CPU: in memory, or mapped from a file."""


@dataclass(frozen=True, eq=False)
class Trajectory:
    """The latents of an inverted clip at the timesteps that it passed, the clean ones first."""

    timesteps: list[float]
    """Ascending; the clean latents have none."""
    latents: Float[Tensor, "kept F C h w"]
    """On the CPU, perhaps mapped from a file; one entry more than timesteps."""

    def at(self, t: float) -> Float[Tensor, "F C h w"]:
        """The latents at a timestep. Raises `KeyError` when it was not passed."""
        if t not in self.timesteps:
            raise KeyError(f"timestep {t} was not passed; there are {self.timesteps}")
        return self.latents[1 + self.timesteps.index(t)]

    @property
    def x_0(self) -> Float[Tensor, "F C h w"]:
        return self.latents[0]

    @property
    def noisiest(self) -> Float[Tensor, "F C h w"]:
        return self.latents[-1]

    def implied_noise(self, schedule: Schedule) -> Float[Tensor, "F C h w"]:
        """The noise by which the clean latents would become the noisiest ones in a single step."""
        a = schedule.at(self.timesteps[-1])
        return (self.noisiest - a**0.5 * self.x_0) / (1 - a) ** 0.5


def in_memory(shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    """Room in memory."""
    return torch.empty(shape, dtype=dtype)


@dataclass(frozen=True)
class Keeping:
    """What of an inversion is kept, and where."""

    timesteps: Sequence[float] | None = None
    """Those whose latents are kept beside the noisiest; None means all."""
    room: Room = in_memory


ALL = Keeping()


def invert(
    eps: Eps,
    x_0: Tensor,
    schedule: Schedule,
    steps: int,
    *,
    timesteps: Sequence[float] | None = None,
    keeping: Keeping = ALL,
    progress: Progress = SILENT,
) -> Trajectory:
    """Walk from the clean latents to the noisiest timestep, keeping what is passed.

    `timesteps` (noisiest first; default: all of the schedule's) may be a tail of the list that the
    schedule gives for `steps`, to invert only part of the way. Each step asks for the noise at
    the timestep that it goes to, with the latent that it comes from, as diffusers'
    DDIMInverseScheduler does.
    """
    visited = (schedule.timesteps(steps) if timesteps is None else timesteps)[::-1]
    wanted = visited if keeping.timesteps is None else keeping.timesteps
    kept = [t for t in visited if t in wanted or t == visited[-1]]
    latents = keeping.room((1 + len(kept), *x_0.shape), x_0.dtype)
    latents[0] = x_0
    x = x_0
    for t in progress.track(visited, "inverting"):
        x = ddim_step(x, eps(x, t), schedule.at(schedule.before(t, steps)), schedule.at(t))
        if t in kept:
            latents[1 + kept.index(t)] = x
    return Trajectory(kept, latents)


def digest(*tensors: Tensor) -> str:
    """Tells tensors from others: the SHA-256 of their shapes, types and values."""
    total = hashlib.sha256()
    for tensor in tensors:
        total.update(str((tuple(tensor.shape), tensor.dtype)).encode())
        total.update(tensor.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
    return total.hexdigest()


@dataclass(eq=False)
class Remembered:
    """Trajectories in memory, for several edits of the same clips."""

    recalled: int = 0
    """How many edits found theirs here."""
    saved: float = 0.0
    """Seconds that it took to make what they found."""
    _kept: dict[tuple[str, str], Trajectory] = field(default_factory=dict[tuple[str, str], Trajectory])
    _missed: dict[tuple[str, str], float] = field(default_factory=dict[tuple[str, str], float])
    _seconds: dict[tuple[str, str], float] = field(default_factory=dict[tuple[str, str], float])

    def room(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        return in_memory(shape, dtype)

    def recall(self, x_0: Tensor, about: str) -> Trajectory | None:
        key = about, digest(x_0)
        found = self._kept.get(key)
        if found is None:
            self._missed[key] = time.perf_counter()
        else:
            self.recalled += 1
            self.saved += self._seconds.get(key, 0.0)
        return found

    def keep(self, trajectory: Trajectory, about: str) -> None:
        key = about, digest(trajectory.x_0)
        self._kept[key] = trajectory
        if key in self._missed:  # it was asked for before it was made
            self._seconds[key] = time.perf_counter() - self._missed.pop(key)
