"""DDIM (Song et al., 2021, eq. 12 with sigma = 0) and classifier-free guidance."""

from collections.abc import Callable

from torch import Tensor

from frameweave.diffusion.schedule import Schedule
from frameweave.progress import SILENT, Progress

Eps = Callable[[Tensor, int], Tensor]
"""Predicts the noise in x_t (F C h w, all frames of a clip) at timestep t."""


def ddim_step(x: Tensor, eps: Tensor, a: float, a_to: float) -> Tensor:
    """Move x from noise level alpha_bar = a to a_to along the predicted noise.

    Going to a higher alpha_bar is sampling, to a lower one is inversion: one formula.
    """
    x_0 = (x - (1 - a) ** 0.5 * eps) / a**0.5
    return a_to**0.5 * x_0 + (1 - a_to) ** 0.5 * eps


def guided(eps_uncond: Tensor, eps_cond: Tensor, scale: float) -> Tensor:
    """Classifier-free guidance (Ho and Salimans, 2022): scale 1 is the plain conditional model."""
    return eps_uncond + scale * (eps_cond - eps_uncond)


def sample(
    eps: Eps,
    x: Tensor,
    schedule: Schedule,
    steps: int,
    *,
    timesteps: list[int] | None = None,
    progress: Progress = SILENT,
) -> Tensor:
    """Run DDIM from x at the first timestep to x_0.

    `timesteps` (default: all of the schedule's) may be a tail or a part of the list that the
    schedule gives for `steps`, to start from or to stop at another noise level.
    """
    visited = schedule.timesteps(steps) if timesteps is None else timesteps
    for t in progress.track(visited, "sampling"):
        x = ddim_step(x, eps(x, t), schedule.at(t), schedule.at(schedule.before(t, steps)))
    return x
