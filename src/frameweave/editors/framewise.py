"""The baseline: each frame is inverted and re-sampled alone. It follows the prompt, and flickers."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from frameweave.clip import Clip
from frameweave.diffusion.inversion import invert
from frameweave.diffusion.sampling import sample
from frameweave.editors.base import check, prompt_eps
from frameweave.model.backbone import Backbone
from frameweave.progress import SILENT, Progress


@dataclass(frozen=True, kw_only=True)
class Framewise:
    """DDIM inversion under the source prompt, then DDIM sampling under the new one."""

    uses_source: ClassVar[bool] = True
    needs_depth: ClassVar[bool] = False

    steps: int = 25
    """Noise levels of inversion and of sampling."""
    guidance: float = 5.0
    """Classifier-free guidance while sampling; inversion has none."""
    strength: float = 1.0
    """How far to invert, as a share of the noise levels: lower keeps more of the source."""
    frames_at_once: int = 16
    """Frames in one UNet batch; lower needs less memory."""

    def edit(
        self,
        clip: Clip,
        prompt: str,
        backbone: Backbone,
        *,
        source_prompt: str = "",
        negative: str = "",
        depth: Float[Tensor, "F 1 H W"] | None = None,
        rng: torch.Generator,
        progress: Progress = SILENT,
    ) -> Clip:
        check(clip, prompt, self.steps)
        schedule = backbone.schedule
        levels = schedule.timesteps(self.steps)
        levels = levels[len(levels) - max(1, round(self.strength * self.steps)) :]
        x_0 = backbone.encode(clip.frames)
        source_eps = prompt_eps(
            backbone.inverse,
            source_prompt,
            "",
            1.0,
            frames_at_once=self.frames_at_once,
            progress=progress,
            source=clip.frames,
        )
        x = invert(source_eps, x_0, schedule, self.steps, timesteps=levels, progress=progress)
        target_eps = prompt_eps(
            backbone,
            prompt,
            negative,
            self.guidance,
            frames_at_once=self.frames_at_once,
            progress=progress,
            source=clip.frames,
        )
        x = sample(target_eps, x, schedule, self.steps, timesteps=levels, progress=progress)
        return clip.with_frames(backbone.decode(x))
