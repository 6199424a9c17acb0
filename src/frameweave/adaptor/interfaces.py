"""The samplers of graphical interfaces, and the line with which A1111 applies an adaptor's window.

The line counts steps as shares of a run. It holds for one sampler and one number of steps.
"""

import math
from collections.abc import Sequence
from typing import Literal

from frameweave.adaptor.strengths import StrengthSchedule
from frameweave.diffusion.samplers import sampler as samplers
from frameweave.diffusion.schedule import Schedule
from frameweave.diffusion.scheduler_config import SchedulerConfig
from frameweave.diffusion.spacing import shown
from frameweave.errors import InputError

Sampler = Literal["ddim", "dpmpp_2m_karras", "euler_a"]

_SCHEDULE = Schedule.of(SchedulerConfig(beta_start=0.00085, beta_end=0.012, steps_offset=1))
"""Stable Diffusion's."""
_SAMPLERS: dict[Sampler, samplers.Sampler] = {
    "ddim": samplers.Sampler("ddim", spacing="leading"),
    "dpmpp_2m_karras": samplers.Sampler("dpmpp_2m", spacing="karras"),
    "euler_a": samplers.Sampler("euler_a", spacing="linspace"),
}
_JUST_BEFORE = 0.0005
"""The share of a run over which A1111's weight falls: less than one step of a thousand."""


def sampler_timesteps(sampler: Sampler, steps: int) -> list[float]:
    """The timesteps that a sampler of that kind visits, noisiest first; some are fractions.

    Raises `InputError` unless 1 <= steps <= 1000.
    """
    if not 1 <= steps <= 1000:
        raise InputError(f"{steps} steps, expected 1 to 1000", hint="20 to 50 are usual")
    return [float(shown(t)) for t in _SAMPLERS[sampler].on(_SCHEDULE).timesteps(steps)]


def a1111_weights(strengths: StrengthSchedule, timesteps: Sequence[float]) -> list[float]:
    """The LoRA's weight in each step, as far as loractl can say it.

    A1111 counts a step when it is done, so the first two steps are one to it: the second takes the first's.
    """
    weights = [strengths.at(t) for t in timesteps]
    return [*weights[:1], *weights[:1], *weights[2:]][: len(weights)]


def a1111_line(name: str, strengths: StrengthSchedule, timesteps: Sequence[float]) -> str:
    """The prompt's part that the loractl extension of A1111 reads: weights at shares of a run.

    `name` is the LoRA file's without its ending. Step k of n (from 0) is at the share (k - 1) / (n - 2).
    Weights are interpolated between the shares, so each change takes place just before the step that
    needs it.

    >>> strengths = StrengthSchedule.parse("0.9-1:0.5")
    >>> a1111_line("mine", strengths, [951, 901, 851, 801, 751, 701])
    '<lora:mine:0.5@0,0.5@0.2495,0@0.25>'
    """
    weights = a1111_weights(strengths, timesteps)
    points = [f"{weights[0]:g}@0"]
    for index in range(2, len(weights)):
        before, after = weights[index - 1], weights[index]
        if before != after:
            share = math.floor((index - 1) / (len(weights) - 2) * 1e4) / 1e4  # never after the step
            points += [f"{before:g}@{share - _JUST_BEFORE:g}", f"{after:g}@{share:g}"]
    return f"<lora:{name}:{','.join(points) if len(points) > 1 else f'{weights[0]:g}'}>"
