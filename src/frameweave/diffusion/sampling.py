"""DDIM (Song et al., 2021, eq. 12), its ancestral sister, and classifier-free guidance."""

from collections.abc import Callable, Iterator

from torch import Tensor

from frameweave.diffusion.schedule import Schedule
from frameweave.diffusion.scheduler_config import Prediction
from frameweave.progress import SILENT, Progress

Eps = Callable[[Tensor, int], Tensor]
"""Predicts the noise in x_t (F C h w, all frames of a clip) at timestep t."""

AfterStep = Callable[[int, Tensor, Tensor], None]
"""Is told how many steps are done, the latents after the last one, and the x_0 that it expected."""


def ddim_step(x: Tensor, eps: Tensor, a: float, a_to: float) -> Tensor:
    """Move x from alpha_bar = a to a_to along the predicted noise.

    Going to a higher alpha_bar is sampling, to a lower one is inversion: one formula.
    """
    return a_to**0.5 * clean(x, eps, a) + (1 - a_to) ** 0.5 * eps


def noise_of(out: Tensor, x_t: Tensor, alpha_bar: float | Tensor, prediction: Prediction) -> Tensor:
    """The noise in x_t, from what a network says of it: the noise itself, a velocity, or the clean latents.

    The velocity is that of Salimans and Ho (2022): sqrt(alpha_bar) eps - sqrt(1 - alpha_bar) x_0.
    """
    match prediction:
        case "epsilon":
            return out
        case "v_prediction":
            return alpha_bar**0.5 * out + (1 - alpha_bar) ** 0.5 * x_t
        case "sample":
            return (x_t - alpha_bar**0.5 * out) / (1 - alpha_bar) ** 0.5


def clean(x: Tensor, eps: Tensor, a: float) -> Tensor:
    """The x_0 that x at alpha_bar = a comes from, if eps is its noise."""
    return (x - (1 - a) ** 0.5 * eps) / a**0.5


def guided(eps_uncond: Tensor, eps_cond: Tensor, scale: float) -> Tensor:
    """Classifier-free guidance (Ho and Salimans, 2022): scale 1 is the plain conditional model."""
    return eps_uncond + scale * (eps_cond - eps_uncond)


def ancestral_timesteps(schedule: Schedule, steps: int) -> list[float]:
    """The timesteps of Euler's ancestral sampler: evenly from T - 1 down to 0, fractions included."""
    if steps == 1:
        return [schedule.T - 1.0]
    return [(schedule.T - 1) * (1 - k / (steps - 1)) for k in range(steps)]


def ancestral(
    eps: Callable[[Tensor, float], Tensor],
    x: Tensor,
    schedule: Schedule,
    timesteps: list[float],
    noises: Iterator[Tensor],
    *,
    after: AfterStep | None = None,
    progress: Progress = SILENT,
) -> Tensor:
    """Euler's ancestral sampler (k-diffusion) from x at `timesteps[0]` to x_0.

    With x scaled to unit variance it is DDIM with eta = 1: after every step but the last as much
    fresh noise is added as a forward step between the two timesteps would add. `noises` yields it,
    one for every step, in the shape of x.
    """
    following = [*(schedule.at(t) for t in timesteps[1:]), 1.0]
    for count, (t, a_to) in enumerate(zip(progress.track(timesteps, "sampling"), following, strict=True), 1):
        a, predicted = schedule.at(t), eps(x, t)
        expected = clean(x, predicted, a)
        fresh = ((1 - a_to) / (1 - a) * (1 - a / a_to)) ** 0.5
        x = a_to**0.5 * expected + (1 - a_to - fresh**2) ** 0.5 * predicted + fresh * next(noises).to(x)
        if after is not None:
            after(count, x, expected)
    return x


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
    schedule gives for `steps`, to start from or to stop at another timestep. `after` is told of
    every step.
    """
    visited = schedule.timesteps(steps) if timesteps is None else timesteps
    for count, t in enumerate(progress.track(visited, "sampling"), 1):
        a, predicted = schedule.at(t), eps(x, t)
        before, x = x, ddim_step(x, predicted, a, schedule.at(schedule.before(t, steps)))
        if after is not None:
            after(count, x, clean(before, predicted, a))
    return x
