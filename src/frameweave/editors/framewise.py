"""The baseline: each frame is inverted and re-sampled alone. It follows the prompt, and flickers."""

from collections.abc import Sequence
from typing import Literal

from frameweave.diffusion.schedule import Schedule
from frameweave.editors.base import Editor
from frameweave.editors.request import EditRequest, Timesteps
from frameweave.models.seam import Latents
from frameweave.runs.settings import Count, Share


class Framewise(Editor):
    """DDIM inversion under the source prompt, then sampling under the new one."""

    steps: Count = 25
    """Steps of the inversion, and of the sampling."""
    guidance: float = 5.0
    """Classifier-free guidance scale (CFG) of the sampling; the inversion has none."""
    strength: Share = 1.0
    """Share of the steps that are inverted and sampled, as in img2img; lower keeps more of the source."""
    noise: Literal["inverted", "random"] = "inverted"
    """Noise that the source starts with: inverted, its DDIM inversion; random, one noise for all frames, as
    in img2img."""
    chunk_size: Count = 16
    """Frames in one call of the network; fewer need less memory."""

    @property
    def inverts(self) -> bool:
        return self.noise == "inverted"

    def taken(self, schedule: Schedule, visited: Sequence[float]) -> Sequence[float]:
        return Timesteps(visited, len(visited)).last(self.strength)

    def edit(self, request: EditRequest) -> Latents:
        timesteps = request.timesteps(self.steps, self.strength)
        if self.inverts:
            x = request.inverted(timesteps, keep=timesteps[:1], chunk_size=self.chunk_size).noisiest
        else:
            x = request.noised(timesteps[0])
        eps = request.eps(self.guidance, chunk_size=self.chunk_size)
        return request.sampled(x, eps, timesteps)
