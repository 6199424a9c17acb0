"""UniPC of second order, B2(h), on data predictions (Zhao et al., 2023, arXiv 2302.04867)."""

import math

from torch import Tensor

from frameweave.diffusion.samplers.dpm import lam
from frameweave.diffusion.sampling import Memory, Path, Turn, clean


def unipc(x: Tensor, eps: Tensor, turn: Turn, memory: Memory) -> tuple[Tensor, Memory]:
    """Corrects x by what is expected now, then predicts the next one.

    Remembers x before the last prediction, and the last data predictions, the newest first.
    """
    path, i = turn.path, turn.i
    x_0 = clean(x, eps, turn.a)
    if memory:
        x = _corrected(memory[0], x_0, memory[1:], path, i)
    data = (x_0, *memory[1:2])
    slope = 0.0 if len(data) == 1 or turn.a_to == 1 else 0.5 / _ratio(path, i, i + 1) * (data[1] - x_0)
    return _along(x, x_0 + slope, path, i), (x, *data)


def _corrected(before: Tensor, x_0: Tensor, data: Memory, path: Path, i: int) -> Tensor:
    """x at step i once more from the step before, with the data prediction x_0 that it led to."""
    if len(data) == 1:
        return _along(before, data[0] + 0.5 * (x_0 - data[0]), path, i - 1)
    hh = -(lam(path.a[i]) - lam(path.a[i - 1]))
    phi_1 = math.expm1(hh)
    phi_2 = phi_1 / hh - 1
    phi_3 = phi_2 / hh - 0.5
    b_1, b_2 = phi_2 / phi_1, 2 * phi_3 / phi_1
    r = _ratio(path, i - 1, i)
    rho = (b_1 - b_2) / (1 - r)
    D = data[0] + rho / r * (data[1] - data[0]) + (b_1 - rho) * (x_0 - data[0])
    return _along(before, D, path, i - 1)


def _ratio(path: Path, i: int, to: int) -> float:
    """The step before i over that from i, in lambda, backwards."""
    return (lam(path.a[i - 1]) - lam(path.a[i])) / (lam(path.a[to]) - lam(path.a[i]))


def _along(x: Tensor, D: Tensor, path: Path, i: int) -> Tensor:
    """From x at step i to the next timestep with the data D all the way."""
    a, a_to = path.a[i], path.a[i + 1]
    return ((1 - a_to) / (1 - a)) ** 0.5 * x - a_to**0.5 * math.expm1(lam(a) - lam(a_to)) * D
