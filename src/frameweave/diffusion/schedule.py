"""alpha_bar over the training timesteps, and the timesteps that a sampler visits."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from frameweave.diffusion.samplers.names import Grid, SamplerName, Spacing
from frameweave.diffusion.scheduler_config import SchedulerConfig, without_signal_at_the_end
from frameweave.diffusion.spacing import Moment, distilled, karras, spaced
from frameweave.errors import InputError

_TAUGHT_SIDE = 64  # of the latents of Stable Diffusion 1.x, for which the published window was chosen
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
    grid: Grid = "ddim"
    """Whose habits of placing timesteps are followed; see `Sampler.on`."""
    own: SamplerName = "ddim"
    """The sampler that the model's files name; ddim where they name none of ours."""
    own_spacing: Spacing | None = None
    """The spacing of that sampler, where it is not `spacing`."""
    taught: int = 50
    """Timesteps at which a consistency model was distilled."""

    @property
    def as_published(self) -> "Schedule":
        """On timesteps 981, 961, ..., 1: published programs never heed the model's own spacing."""
        return replace(self, spacing="leading", offset=1)

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
        return cls(
            alpha_bar.clamp(min=_LEAST),
            final,
            config.steps_offset,
            config.timestep_spacing,
            own=config.sampler,
            own_spacing=config.own_spacing,
            taught=config.original_inference_steps,
        )

    def without_signal(self) -> "Schedule":
        """The same with nothing of the picture left at the noisiest timestep (Lin et al., 2024)."""
        alpha_bar = torch.cumprod(1 - without_signal_at_the_end(self.alpha_bar), 0)
        return replace(self, alpha_bar=alpha_bar.clamp(min=_LEAST))

    @property
    def T(self) -> int:
        """Number of training timesteps."""
        return len(self.alpha_bar)

    def equal_noise(self, share: float, side: float) -> float:
        """The share of T at which latents of `side` are as noisy as those of 64 x 64 are at `share` T.

        Large structures are averages over many latents, in which independent noise averages out: their
        signal-to-noise ratio grows with the square of the side (Hoogeboom et al., 2023). 1 stays 1. Raises
        `InputError` where no timestep is as noisy.
        """
        if share >= 1:
            return 1.0
        logit = self.alpha_bar.double().logit()  # the logarithm of the SNR
        alike = float(logit[round(share * self.T)]) + 2 * math.log(_TAUGHT_SIDE / side)
        if alike < float(logit[-1]):
            raise InputError(
                f"no timestep of this model is as noisy for latents of {side:g} x {side:g} as {share:g} T is "
                f"for {_TAUGHT_SIDE} x {_TAUGHT_SIDE}",
                hint="give a smaller --size, or --window own",
            )
        return int((logit - alike).abs().argmin()) / self.T

    @property
    def needs_precision(self) -> bool:
        """Whether a sampler starts where nothing of the picture is left, too near 0 for half precision."""
        first = self.spacing != "leading" or self.grid == "lcm"
        return first and float(self.alpha_bar[-1]) == _LEAST

    def timesteps(self, steps: int) -> list[float]:
        """The timesteps of a sampler with `steps` steps, noisiest first; whole ones but for some samplers.

        Raises `InputError` unless 1 <= steps <= T, and where timesteps fall together.
        """
        if not 1 <= steps <= self.T:
            raise InputError(f"{steps} steps, expected 1 to {self.T}", hint="50 is usual, 25 is quick")
        if self.grid == "lcm":
            return [*distilled(self.T, steps, self.taught)]
        if self.spacing == "karras":
            return [*karras(self.grid, self.alpha_bar, steps)]
        return [*spaced(self.grid, self.spacing, self.T, steps, self.offset)]

    def before(self, t: float, steps: int) -> float:
        """The next less noisy timestep after t; negative after the last step.

        Unless DDIM's are spaced leading, the gaps differ, and t must be one of the sampler's.
        """
        if self.spacing == "leading" and self.grid == "ddim":
            return t - self.T // steps
        visited = self.timesteps(steps)
        return [*visited[1:], -1][visited.index(t)]

    def at(self, t: float) -> float:
        """alpha_bar at timestep t; the final value for negative t.

        Between two timesteps sigma = sqrt((1 - alpha_bar) / alpha_bar) is linear, as samplers born
        from k-diffusion have it.
        """
        if isinstance(t, Moment):
            return t.alpha_bar
        if t < 0:
            return self.final
        low = int(t)
        if t == low:
            return float(self.alpha_bar[low])
        below, above = ((1 / float(self.alpha_bar[k]) - 1) ** 0.5 for k in (low, low + 1))
        return 1 / (1 + (below + (t - low) * (above - below)) ** 2)

    def add_noise(self, x_0: Tensor, eps: Tensor, t: float) -> Tensor:
        """x_t from x_0 and noise eps of the same shape."""
        a = self.at(t)
        return a**0.5 * x_0 + (1 - a) ** 0.5 * eps

    def renoise(self, x_s: Tensor, eps: Tensor, s: float, t: float) -> Tensor:
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
        near = [*timesteps, -math.inf]  # fractions may lie closer together than whole timesteps
        below = min(0.75, (near[end - 1] - near[end]) / 2)
        above = 0.5 if start == 0 else min(0.5, (near[start - 1] - near[start]) / 2)
        high = 1.0 if start == 0 else (timesteps[start] + above) / self.T
        return Window((timesteps[end - 1] + EDGE - below) / self.T, high, self.T)

    @property
    def values(self) -> tuple[int, int]:
        """The first and the last whole timestep, without the edge."""
        return round(self.low * self.T), round(self.high * self.T) - 1
