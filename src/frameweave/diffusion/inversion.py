"""DDIM inversion: from a clean latent to the noise from which DDIM sampling gives it back."""

from torch import Tensor

from frameweave.diffusion.sampling import Eps, ddim_step
from frameweave.diffusion.schedule import Schedule
from frameweave.progress import SILENT, Progress


def invert(
    eps: Eps,
    x_0: Tensor,
    schedule: Schedule,
    steps: int,
    *,
    timesteps: list[int] | None = None,
    progress: Progress = SILENT,
) -> Tensor:
    """The latent at the noisiest timestep.

    `timesteps` (default: all of the schedule's) may be a tail of the list that the schedule gives
    for `steps`, to invert only part of the way. Each step asks for the noise at the timestep that
    it goes to, with the latent that it comes from, as diffusers' DDIMInverseScheduler does.
    """
    x = x_0
    visited = schedule.timesteps(steps) if timesteps is None else timesteps
    for t in progress.track(visited[::-1], "inverting"):
        x = ddim_step(x, eps(x, t), schedule.at(schedule.before(t, steps)), schedule.at(t))
    return x
