"""What samplers are made of: clean latents, DDIM's step (Song et al., 2021, eq. 12), guidance, the loop."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from frameweave.diffusion.schedule import Schedule
from frameweave.diffusion.scheduler_config import Prediction
from frameweave.progress import SILENT, Progress

Eps = Callable[[Tensor, float], Tensor]
"""Predicts the noise in x_t (F C h w, all frames of a clip) at timestep t."""

AfterStep = Callable[[int, Tensor, Tensor], None]
"""Is told how many steps are done, the latents after the last one, and the x_0 that it expected.

Behind the latents comes what the sampler remembers, if it does: as many frames again for each tensor.
"""

Noise = Callable[[], Tensor]
"""Draws standard normal noise, in the shape of the latents or one for all frames."""

Memory = tuple[Tensor, ...]
"""What a multistep sampler keeps of the steps before, each in the shape of the latents."""


@dataclass(frozen=True)
class Path:
    """The timesteps of a run and alpha_bar there; of both one more, which follows the last step."""

    t: Sequence[float]
    a: Sequence[float]
    schedule: Schedule

    @classmethod
    def of(
        cls, schedule: Schedule, steps: int, visited: Sequence[float], *, final: float | None = None
    ) -> "Path":
        """Of timesteps that are a part of the schedule's for `steps`; `final` is alpha_bar at the end."""
        end = schedule.before(visited[-1], steps)
        last = schedule.at(end) if end >= 0 or final is None else final
        return cls([*visited, end], [*map(schedule.at, visited), last], schedule)


@dataclass(frozen=True)
class Turn:
    """Step i of a path, and where noise is drawn."""

    path: Path
    i: int
    noise: Noise

    @property
    def t(self) -> float:
        return self.path.t[self.i]

    @property
    def t_to(self) -> float:
        """The next timestep; negative after the last."""
        return self.path.t[self.i + 1]

    @property
    def a(self) -> float:
        return self.path.a[self.i]

    @property
    def a_to(self) -> float:
        return self.path.a[self.i + 1]


Step = Callable[[Tensor, Tensor, Turn, Memory], tuple[Tensor, Memory]]
"""One step of a sampler: from x and the noise predicted in it to x at the next timestep.

With what it remembers of the steps before, and then of this one too.
"""


@dataclass(frozen=True)
class Resumed:
    """Where an earlier run along a path stopped, and who is told of the steps that follow."""

    done: int = 0
    """Steps that it did."""
    memory: Memory = ()
    """What its sampler remembered of them."""
    after: AfterStep | None = None


ANEW = Resumed()
"""No earlier run, and nobody is told."""


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


def said_of(eps: Tensor, x_t: Tensor, alpha_bar: float, prediction: Prediction) -> Tensor:
    """What a network would say of x_t to mean this noise: the inverse of `noise_of`."""
    match prediction:
        case "epsilon":
            return eps
        case "v_prediction":
            return (eps - (1 - alpha_bar) ** 0.5 * x_t) / alpha_bar**0.5
        case "sample":
            return clean(x_t, eps, alpha_bar)


def clean(x: Tensor, eps: Tensor, a: float) -> Tensor:
    """The x_0 that x at alpha_bar = a comes from, if eps is its noise."""
    return (x - (1 - a) ** 0.5 * eps) / a**0.5


def guided(eps_uncond: Tensor, eps_cond: Tensor, scale: float) -> Tensor:
    """Classifier-free guidance (Ho and Salimans, 2022): scale 1 is the plain conditional model."""
    return eps_uncond + scale * (eps_cond - eps_uncond)


def rescaled(out: Tensor, out_cond: Tensor, share: float) -> Tensor:
    """What a network says under guidance, with the deviation that it has without (Lin et al., 2024, 3.4).

    Frame by frame; `share` 0 leaves it as it is, 1 takes all of the smaller deviation.
    """
    axes = tuple(range(1, out.dim()))
    ratio = out_cond.std(axes, keepdim=True) / out.std(axes, keepdim=True)
    return share * ratio * out + (1 - share) * out


def rescaled_noise(
    eps: Tensor, eps_cond: Tensor, share: float, x: Tensor, *, a: float, prediction: Prediction
) -> Tensor:
    """The same for noise in x at alpha_bar = a: what is rescaled is what the network would say."""
    said, said_cond = (said_of(noise, x, a, prediction) for noise in (eps, eps_cond))
    return noise_of(rescaled(said, said_cond, share), x, a, prediction)


def run(
    eps: Eps,
    x: Tensor,
    path: Path,
    step: Step,
    noise: Noise,
    *,
    resumed: Resumed = ANEW,
    progress: Progress = SILENT,
) -> Tensor:
    """Follow a path from x at its first timestep, or where an earlier run stopped, to its end.

    At each step the noise is predicted first, then the sampler draws what it needs.
    """
    done, memory, after = resumed.done, resumed.memory, resumed.after
    for i, t in enumerate(progress.track(path.t[done:-1], "sampling"), done):
        predicted = eps(x, t)
        before, (x, memory) = x, step(x, predicted, Turn(path, i, noise), memory)
        if after is not None:
            kept = torch.cat([x, *memory]) if memory else x
            after(i + 1 - done, kept, clean(before, predicted, path.a[i]))
    return x


def no_noise() -> Tensor:
    """For samplers that draw none."""
    raise AssertionError("this sampler draws no noise")


def along_eps(x: Tensor, eps: Tensor, turn: Turn, memory: Memory) -> tuple[Tensor, Memory]:
    """DDIM's step without fresh noise; with alpha_bar 1 at the end it is Euler's."""
    return ddim_step(x, eps, turn.a, turn.a_to), ()


def sample(
    eps: Eps,
    x: Tensor,
    schedule: Schedule,
    steps: int,
    *,
    timesteps: Sequence[float] | None = None,
    progress: Progress = SILENT,
) -> Tensor:
    """Run DDIM from x at the first timestep to x_0.

    `timesteps` (default: all of the schedule's) may be a tail or a part of the list that the
    schedule gives for `steps`, to start from or to stop at another timestep.
    """
    visited = schedule.timesteps(steps) if timesteps is None else timesteps
    if not visited:
        return x
    path = Path.of(schedule, steps, visited)
    return run(eps, x, path, along_eps, no_noise, progress=progress)
