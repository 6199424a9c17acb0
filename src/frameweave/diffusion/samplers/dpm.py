"""DPM-Solver++ of second order, multistep (Lu et al., 2022, arXiv 2211.01095): plain, and as an SDE."""

import math

from torch import Tensor

from frameweave.diffusion.sampling import Memory, Turn, clean


def lam(a: float) -> float:
    """Half the log of the signal-to-noise ratio at alpha_bar = a."""
    return 0.5 * (math.log(a) - math.log1p(-a)) if a < 1 else math.inf


def _data(x: Tensor, eps: Tensor, turn: Turn, memory: Memory) -> tuple[Tensor, Tensor]:
    """x_0 as expected here, and as expected at the middle of the step, from here and the step before."""
    x_0 = clean(x, eps, turn.a)
    if not memory or turn.a_to == 1:
        return x_0, x_0
    before, now, to = (lam(turn.path.a[turn.i + k]) for k in (-1, 0, 1))
    r = (now - before) / (to - now)
    return x_0, x_0 + (x_0 - memory[0]) / (2 * r)


def dpmpp_2m(x: Tensor, eps: Tensor, turn: Turn, memory: Memory) -> tuple[Tensor, Memory]:
    """Exact in x but for the data prediction, which is a line through the last two."""
    a, a_to = turn.a, turn.a_to
    x_0, D = _data(x, eps, turn, memory)
    h = lam(a_to) - lam(a)
    return ((1 - a_to) / (1 - a)) ** 0.5 * x - a_to**0.5 * math.expm1(-h) * D, (x_0,)


def dpmpp_2m_sde(x: Tensor, eps: Tensor, turn: Turn, memory: Memory) -> tuple[Tensor, Memory]:
    """The same for the SDE: half of the way is noise that is forgotten and drawn anew."""
    a, a_to = turn.a, turn.a_to
    x_0, D = _data(x, eps, turn, memory)
    h = lam(a_to) - lam(a)
    kept = -math.expm1(-2 * h)  # the share of the variance that is new
    x = ((1 - a_to) / (1 - a)) ** 0.5 * math.exp(-h) * x + a_to**0.5 * kept * D
    return (x + ((1 - a_to) * kept) ** 0.5 * turn.noise() if a_to < 1 else x), (x_0,)
