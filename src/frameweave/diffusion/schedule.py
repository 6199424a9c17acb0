"""alpha_bar over the training timesteps, and the timesteps that a sampler visits."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from frameweave.diffusion.scheduler_config import SchedulerConfig, Spacing
from frameweave.errors import InputError

_LEAST = 2.0**-24  # alpha_bar where a model's own is 0: no step of a sampler may divide by it


@dataclass(frozen=True, eq=False)
class Schedule:
    """x_t = sqrt(alpha_bar_t) x_0 + sqrt(1 - alpha_bar_t) eps for t = 0 .. T-1.

    Most models have leading spacing with an offset: with T = 1000, 50 steps and offset 1 a sampler
    visits 981, 961, ..., 1. Trailing spacing visits 999, 979, ..., 19, linspace 999, 979, ..., 0.
    `final` is alpha_bar after the last step.
    """

    alpha_bar: Float[Tensor, " T"]
    final: float
    offset: int = 1
    """Added to each timestep of leading spacing."""
    spacing: Spacing = "leading"

    @classmethod
    def from_config(cls, config: Mapping[str, object]) -> "Schedule":
        """From the settings of a diffusers scheduler.

        Raises `ModelFolderError` when they do not say their betas, and for what cannot be done.
        """
        return cls.of(SchedulerConfig.read(config))

    @classmethod
    def of(cls, config: SchedulerConfig) -> "Schedule":
        """From settings that were read."""
        alpha_bar = torch.cumprod(1 - config.betas(), 0)
        final = 1.0 if config.set_alpha_to_one else float(alpha_bar[0])
        return cls(alpha_bar.clamp(min=_LEAST), final, config.steps_offset, config.timestep_spacing)

    @property
    def T(self) -> int:
        """Number of training timesteps."""
        return len(self.alpha_bar)

    @property
    def needs_precision(self) -> bool:
        """Whether a sampler starts where nothing of the picture is left, too near 0 for half precision."""
        return self.spacing != "leading" and float(self.alpha_bar[-1]) == _LEAST

    def timesteps(self, steps: int) -> list[int]:
        """The timesteps of a sampler with `steps` steps, noisiest first.

        Raises `InputError` unless 1 <= steps <= T.
        """
        if not 1 <= steps <= self.T:
            raise InputError(f"{steps} steps, expected 1 to {self.T}", hint="50 is usual, 25 is quick")
        if self.spacing == "linspace":
            return np.linspace(0, self.T - 1, steps).round().astype(int)[::-1].tolist()
        if self.spacing == "trailing":
            spaced = np.arange(self.T, 0, -self.T / steps)[:steps]  # rounding may give it one more
            return (spaced.round().astype(int) - 1).tolist()
        gap = self.T // steps
        offset = min(self.offset, self.T - 1 - (steps - 1) * gap)  # there is no timestep T
        return [index * gap + offset for index in range(steps)][::-1]

    def before(self, t: int, steps: int) -> int:
        """The next less noisy timestep after t; negative after the last step.

        With spacings other than leading the gaps differ, and t must be one of the sampler's.
        """
        if self.spacing == "leading":
            return t - self.T // steps
        following = [*self.timesteps(steps)[1:], -1]
        return following[self.timesteps(steps).index(t)]

    def at(self, t: float) -> float:
        """alpha_bar at timestep t; the final value for negative t.

        Between two timesteps sigma = sqrt((1 - alpha_bar) / alpha_bar) is linear, as samplers born
        from k-diffusion have it.
        """
        if t < 0:
            return self.final
        low = int(t)
        if t == low:
            return float(self.alpha_bar[low])
        below, above = ((1 / float(self.alpha_bar[k]) - 1) ** 0.5 for k in (low, low + 1))
        return 1 / (1 + (below + (t - low) * (above - below)) ** 2)

    def add_noise(self, x_0: Tensor, eps: Tensor, t: int) -> Tensor:
        """x_t from x_0 and noise eps of the same shape."""
        a = self.at(t)
        return a**0.5 * x_0 + (1 - a) ** 0.5 * eps

    def renoise(self, x_s: Tensor, eps: Tensor, s: int, t: int) -> Tensor:
        """x_t from x_s for t > s: the forward process from one timestep to a noisier one."""
        ratio = self.at(t) / self.at(s)
        return ratio**0.5 * x_s + (1 - ratio) ** 0.5 * eps


TRAINING_T = 1000
"""Training timesteps of Stable Diffusion."""

EDGE = 1.0
"""Timesteps by which a window reaches below its low end: trailing samplers visit 899, others fractions."""


@dataclass(frozen=True)
class Window:
    """The timestep values t with low T <= t < high T, with `EDGE` to spare at the low end.

    >>> window = Window(0.9, 1.0)
    >>> 899 in window, 898 in window, 999.5 in window
    (True, False, True)
    >>> window.active([981, 961, 941, 921, 901, 881]), window.values
    (5, (900, 999))

    Raises `InputError` unless 0 <= low < high <= 1.
    """

    low: float = 0.9
    high: float = 1.0
    T: int = TRAINING_T

    def __post_init__(self) -> None:
        if not 0 <= self.low < self.high <= 1:
            raise InputError(
                f"window [{self.low:g}, {self.high:g}), expected 0 <= low < high <= 1",
                hint="0.9 to 1 is usual",
            )

    def __contains__(self, t: float) -> bool:
        return self.low * self.T - EDGE <= t < self.high * self.T or (self.high == 1 and t >= self.T)

    def active(self, timesteps: Sequence[float]) -> int:
        """How many of a sampler's timesteps lie inside."""
        return sum(t in self for t in timesteps)

    def by_share(self, timesteps: Sequence[float]) -> "Window":
        """The window of values that holds the same share of a sampler's steps (noisiest first).

        Of n steps the first ceil((1 - low) n) lie inside, whatever their values, without the
        floor((1 - high) n) before them; so at least one does.

        >>> Window(0.9, 1.0).active([801, 601, 401, 201, 1])
        0
        >>> Window(0.9, 1.0).by_share([801, 601, 401, 201, 1]).active([801, 601, 401, 201, 1])
        1
        """
        n = len(timesteps)  # rounded, since (1 - 0.7) * 10 is a little more than 3
        start = math.floor(round((1 - self.high) * n, 9))
        end = max(math.ceil(round((1 - self.low) * n, 9)), start + 1)
        high = 1.0 if start == 0 else (timesteps[start] + 0.5) / self.T
        return Window((timesteps[end - 1] + EDGE - 0.75) / self.T, high, self.T)

    @property
    def values(self) -> tuple[int, int]:
        """The first and the last whole timestep, without the edge."""
        return round(self.low * self.T), round(self.high * self.T) - 1
