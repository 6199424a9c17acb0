"""DDIM with fresh noise (Song et al., 2021, eq. 12 and 16)."""

from torch import Tensor

from frameweave.diffusion.sampling import Memory, Step, Turn, along_eps, clean


def ddim(eta: float) -> Step:
    """DDIM's step; `eta` 0 draws nothing, 1 is the sampler of DDPM."""
    if not eta:
        return along_eps

    def step(x: Tensor, eps: Tensor, turn: Turn, memory: Memory) -> tuple[Tensor, Memory]:
        a, a_to = turn.a, turn.a_to
        fresh = eta * fresh_noise(a, a_to)
        if not fresh:
            return along_eps(x, eps, turn, memory)
        along = (1 - a_to - fresh**2) ** 0.5
        return a_to**0.5 * clean(x, eps, a) + along * eps + fresh * turn.noise(), ()

    return step


def fresh_noise(a: float, a_to: float) -> float:
    """The deviation of what a forward step from a_to to a adds, seen from x at a: DDPM's."""
    return ((1 - a_to) / (1 - a) * (1 - a / a_to)) ** 0.5
