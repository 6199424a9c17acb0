"""DDIM (Song et al., 2021, eq. 12 with sigma = 0) and classifier-free guidance."""

from collections.abc import Callable

from torch import Tensor

from frameweave.diffusion.schedule import Schedule
from frameweave.progress import SILENT, Progress

Eps = Callable[[Tensor, int], Tensor]
"""Predicts the noise in x_t (F C h w, all frames of a clip) at timestep t."""

AfterStep = Callable[[int, Tensor, Tensor], None]
"""Is told how many steps are done, the latents after the last one, and the x_0 that it expected."""


def ddim_step(x: Tensor, eps: Tensor, a: float, a_to: float) -> Tensor:
    """Move x from noise level alpha_bar = a to a_to along the predicted noise.

    Going to a higher alpha_bar is sampling, to a lower one is inversion: one formula.
    """
    return a_to**0.5 * clean(x, eps, a) + (1 - a_to) ** 0.5 * eps


def clean(x: Tensor, eps: Tensor, a: float) -> Tensor:
    """The x_0 that x at noise level alpha_bar = a comes from, if eps is its noise."""
    return (x - (1 - a) ** 0.5 * eps) / a**0.5


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
    after: AfterStep | None = None,
    progress: Progress = SILENT,
) -> Tensor:
    """Run DDIM from x at the first timestep to x_0.

    `timesteps` (default: all of the schedule's) may be a tail or a part of the list that the
    schedule gives for `steps`, to start from or to stop at another noise level. `after` is told of
    every step.
    """
    visited = schedule.timesteps(steps) if timesteps is None else timesteps
    for count, t in enumerate(progress.track(visited, "sampling"), 1):
        a, predicted = schedule.at(t), eps(x, t)
        before, x = x, ddim_step(x, predicted, a, schedule.at(schedule.before(t, steps)))
        if after is not None:
            after(count, x, clean(before, predicted, a))
    return x
