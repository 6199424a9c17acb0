"""Latent consistency models (Luo et al., 2023, arXiv 2310.04378) and TCD (Zheng et al., 2024, 2402.19159)."""

import math

from torch import Tensor

from frameweave.diffusion.sampling import Memory, Step, Turn, clean, ddim_step

_SIGMA_DATA = 0.5
_SCALING = 10.0  # of timesteps, as the models were distilled with


def lcm(x: Tensor, eps: Tensor, turn: Turn, memory: Memory) -> tuple[Tensor, Memory]:
    """All the way to the clean latents, then noised again for the next timestep."""
    t = turn.t * _SCALING
    c_skip = _SIGMA_DATA**2 / (t**2 + _SIGMA_DATA**2)
    c_out = t / (t**2 + _SIGMA_DATA**2) ** 0.5
    x_0, a_to = c_out * clean(x, eps, turn.a) + c_skip * x, turn.a_to
    if turn.t_to < 0:
        return x_0, ()
    return a_to**0.5 * x_0 + (1 - a_to) ** 0.5 * turn.noise(), ()


def tcd(eta: float) -> Step:
    """Along the noise to a timestep below the next one, then noised up to it.

    `eta` (the paper's gamma) 0 goes to the next one itself and draws nothing, 1 all the way down.
    """

    def step(x: Tensor, eps: Tensor, turn: Turn, memory: Memory) -> tuple[Tensor, Memory]:
        to = max(turn.t_to, 0)
        a_s, a_to = turn.path.schedule.at(math.floor((1 - eta) * to)), turn.path.schedule.at(to)
        x = ddim_step(x, eps, turn.a, a_s)
        if not eta or turn.t_to < 0:
            return x, ()
        return (a_to / a_s) ** 0.5 * x + (1 - a_to / a_s) ** 0.5 * turn.noise(), ()

    return step
