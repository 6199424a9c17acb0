"""Which timesteps a sampler visits: leading, trailing, linspace (Lin et al., 2024, table 2), Karras's sigmas.

Samplers differ in it even where they name the same spacing: DDIM rounds what Euler's keeps as fractions, and
the DPM family spreads one timestep more and leaves the last out.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from torch import Tensor

from frameweave.diffusion.samplers.names import Grid, Spacing
from frameweave.errors import InputError

RHO = 7.0  # of Karras et al. (2022)


class Moment(float):
    """A timestep that brings its own alpha_bar, which the schedule has nowhere.

    `shown` is the timestep that the network is told.
    """

    alpha_bar: float
    shown: float

    @classmethod
    def of(cls, t: float, alpha_bar: float, shown: float) -> "Moment":
        moment = cls(t)
        moment.alpha_bar, moment.shown = alpha_bar, shown
        return moment

    def __repr__(self) -> str:
        return float.__repr__(self) if self.shown == self else f"{float.__repr__(self)} as {self.shown:g}"


def shown(t: float) -> float:
    """The timestep that the network is told."""
    return t.shown if isinstance(t, Moment) else t


def spaced(grid: Grid, spacing: Spacing, T: int, steps: int, offset: int) -> Sequence[float]:
    """The timesteps of a sampler with `steps` steps by their values, noisiest first.

    Raises `InputError` where they fall together.
    """
    found = (
        _euler_linspace(T, steps)
        if (grid, spacing) == ("euler", "linspace")
        else _whole(grid, spacing, T, steps, offset)
    )
    if len(set(found)) < steps:
        raise InputError(
            f"{steps} steps, expected fewer: the sampler's timesteps fall together",
            hint="50 is usual, 25 is quick",
        )
    return found


def _whole(grid: Grid, spacing: Spacing, T: int, steps: int, offset: int) -> Sequence[float]:
    spread = steps + 1 if grid == "dpm" else steps
    if spacing == "trailing":
        back = np.arange(T, 0, -T / steps)[:steps]  # rounding may give it one more
        return (back.round().astype(int) - 1).tolist()
    if spacing == "linspace":
        return np.linspace(0, T - 1, spread).round().astype(int)[::-1][:steps].tolist()
    gap, first = T // spread, spread - steps
    offset = min(offset, T - 1 - (spread - 1) * gap)  # there is no timestep T
    return [index * gap + offset for index in range(first, spread)][::-1]


def _euler_linspace(T: int, steps: int) -> list[float]:
    """Evenly from T - 1 down to 0, fractions included."""
    if steps == 1:
        return [T - 1.0]
    return [(T - 1) * (1 - k / (steps - 1)) for k in range(steps)]


def distilled(T: int, steps: int, taught: int) -> Sequence[float]:
    """The timesteps of a consistency model that was taught at so many, spread over all of the training.

    Raises `InputError` for more steps than it was taught.
    """
    if steps > taught:
        raise InputError(
            f"{steps} steps, expected 1 to {taught}: consistency models are taught no others",
            hint="4 is usual, 8 is better",
        )
    taught = min(taught, T)
    passed = np.floor(np.linspace(0, taught, steps, endpoint=False)).astype(int)
    return ((taught - passed) * (T // taught) - 1).tolist()


def karras(grid: Grid, alpha_bar: Float[Tensor, " T"], steps: int) -> Sequence[Moment]:
    """Timesteps whose sigmas are evenly spread in sigma^(1 / 7), from the noisiest to the cleanest.

    The DPM family tells its networks whole timesteps and keeps the sigmas.
    """
    sigma = ((1 - alpha_bar.double()) / alpha_bar.double()).sqrt().numpy()
    high, low = float(sigma[-1]) ** (1 / RHO), float(sigma[0]) ** (1 / RHO)
    wanted = (high + np.linspace(0, 1, steps) * (low - high)) ** RHO
    t = np.interp(np.log(wanted), np.log(sigma), np.arange(len(sigma)))
    told = t.round() if grid == "dpm" else t
    return [
        Moment.of(float(value), float(1 / (1 + s**2)), float(said))
        for value, s, said in zip(t, wanted, told, strict=True)
    ]
