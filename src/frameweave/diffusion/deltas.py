"""Editing without inversion: what is sampled is the edit D, which is added to the source X.

At a noise level sigma = sqrt((1 - alpha_bar) / alpha_bar), with one noise n for both branches,

    e_S = eps(a X + b n, source prompt)    e_T = eps(a (X + D) + b n, prompt)
    P = D - sigma (e_T - e_S)              D <- P + rho (D - P)

with a = sqrt(alpha_bar), b = sqrt(1 - alpha_bar). P is the edit as it is expected at this level. FlowEdit
(Kulikov et al., 2024, arXiv 2412.08629), the edit-friendly DDPM inversion (Huberman-Spiegelglas et al., 2023,
2304.06140) and DDCM of InfEdit (Xu et al., 2023, 2312.04965) differ in rho alone.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from frameweave.diffusion.sampling import ANEW, Resumed
from frameweave.diffusion.schedule import Schedule
from frameweave.progress import SILENT, Progress

Rho = Literal["flow", "ddpm", "consistency"]
"""The update: that of FlowEdit, of the edit-friendly DDPM inversion, and of InfEdit."""

_POWER: dict[Rho, float] = {"flow": 1.0, "ddpm": 2.0}

Changed = Callable[[Tensor, int], Tensor]
"""e_T - e_S at a step, from the edit D so far and the number of the step."""


@dataclass(frozen=True)
class Levels:
    """The steps of an edit: their timesteps, and sigma there."""

    t: tuple[float, ...]
    sigma: tuple[float, ...]
    """One more than timesteps: after the last step it is 0, whatever a scheduler's final value is."""
    rho: Rho = "flow"

    @classmethod
    def of(cls, schedule: Schedule, visited: Sequence[float], start: float, *, rho: Rho = "flow") -> "Levels":
        """Those of a sampler's timesteps that are no noisier than `start`, a sigma; none where it is 0.

        At least the last one, where all are noisier.
        """
        taken = [t for t in visited if sigma_at(schedule, t) <= start] or list(visited[-1:]) if start else []
        return cls(tuple(taken), (*(sigma_at(schedule, t) for t in taken), 0.0), rho)

    def __len__(self) -> int:
        return len(self.t)

    def stepped(self, edit: Tensor, expected: Tensor, step: int) -> Tensor:
        """P + rho (D - P), the edit after a step."""
        sigma, to = self.sigma[step : step + 2]
        share = (to / sigma) ** _POWER[self.rho] if self.rho in _POWER else 0.0
        return expected + share * (edit - expected)


def sigma_at(schedule: Schedule, t: float) -> float:
    """How much noise there is at a timestep, as a share of the picture's own size."""
    return (1 / schedule.at(t) - 1) ** 0.5


def grown(
    changed: Changed,
    edit: Tensor,
    levels: Levels,
    source: Tensor,
    *,
    settled: Callable[[Tensor, int], Tensor] = lambda edit, _step: edit,
    resumed: Resumed = ANEW,
    progress: Progress = SILENT,
) -> Tensor:
    """The edit after the last level, from that at the first one (usually 0) or where an earlier run stopped.

    `settled` makes of the edit after each step what the next one begins with, such as its average along
    the motion.
    """
    done, after = resumed.done, resumed.after
    for step in progress.track(range(done, len(levels)), "sampling"):
        expected = edit - levels.sigma[step] * changed(edit, step)
        edit = settled(levels.stepped(edit, expected, step), step)
        if after is not None:
            after(step + 1 - done, edit, source + expected)
    return edit
