"""The baseline: each frame is inverted and re-sampled alone. It follows the prompt, and flickers."""

from dataclasses import dataclass

import torch

from frameweave.editors._noise import inverted, prompt_eps, sampled
from frameweave.editors.base import Source, check, check_settings
from frameweave.models.seam import Latents, Model
from frameweave.progress import SILENT, Progress
from frameweave.runs.ranges import SHARE


@dataclass(frozen=True, kw_only=True)
class Framewise:
    """DDIM inversion under the source prompt, then DDIM sampling under the new one."""

    steps: int = 25
    """Noise levels of inversion and of sampling."""
    guidance: float = 5.0
    """Classifier-free guidance while sampling; inversion has none."""
    strength: float = 1.0
    """How far to invert, as a share of the noise levels: lower keeps more of the source."""
    frames_at_once: int = 16
    """Frames in one UNet batch; lower needs less memory."""

    def __post_init__(self) -> None:
        check_settings(self, strength=SHARE)

    @property
    def uses_source(self) -> bool:
        return True

    @property
    def needs_depth(self) -> bool:
        return False

    def edit(
        self,
        source: Source,
        prompt: str,
        model: Model,
        *,
        negative: str = "",
        rng: torch.Generator,
        progress: Progress = SILENT,
    ) -> Latents:
        check(source, prompt)
        schedule = model.schedule
        levels = schedule.timesteps(self.steps)
        levels = levels[len(levels) - max(1, round(self.strength * self.steps)) :]
        trajectory = inverted(
            source,
            model,
            self.steps,
            timesteps=levels,
            keep=levels[:1],
            frames_at_once=self.frames_at_once,
            progress=progress,
        )
        eps = prompt_eps(
            model,
            prompt,
            negative,
            self.guidance,
            frames_at_once=self.frames_at_once,
            progress=progress,
            seen=source.seen,
        )
        x = trajectory.noisiest.to(source.x_0)
        return sampled(source, eps, x, schedule, self.steps, timesteps=levels, rng=rng, progress=progress)
