"""Euler's ancestral sampler (k-diffusion), in latents of unit variance. Euler's own is `along_eps`."""

from torch import Tensor

from frameweave.diffusion.samplers.ddim import fresh_noise
from frameweave.diffusion.sampling import Memory, Turn, clean


def euler_a(x: Tensor, eps: Tensor, turn: Turn, memory: Memory) -> tuple[Tensor, Memory]:
    """In these latents it is DDIM with eta = 1: as much noise is added as a forward step would add."""
    a, a_to = turn.a, turn.a_to
    expected, fresh = clean(x, eps, a), fresh_noise(a, a_to)
    if not fresh:
        return a_to**0.5 * expected + (1 - a_to) ** 0.5 * eps, ()
    return a_to**0.5 * expected + (1 - a_to - fresh**2) ** 0.5 * eps + fresh * turn.noise(), ()
