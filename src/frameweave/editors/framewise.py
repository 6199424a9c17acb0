"""The baseline: each frame is inverted and re-sampled alone. It follows the prompt, and flickers."""

from frameweave.editors.base import Editor
from frameweave.editors.request import EditRequest
from frameweave.models.seam import Latents
from frameweave.runs.settings import Count, Share


class Framewise(Editor):
    """DDIM inversion under the source prompt, then DDIM sampling under the new one."""

    steps: Count = 25
    """Steps of the inversion, and of the sampling."""
    guidance: float = 5.0
    """Classifier-free guidance scale (CFG) of the sampling; the inversion has none."""
    strength: Share = 1.0
    """Share of the steps that are inverted and sampled, as in img2img; lower keeps more of the source."""
    chunk_size: Count = 16
    """Frames in one call of the network; fewer need less memory."""

    def edit(self, request: EditRequest) -> Latents:
        timesteps = request.timesteps(self.steps, self.strength)
        trajectory = request.inverted(timesteps, keep=timesteps[:1], chunk_size=self.chunk_size)
        eps = request.eps(self.guidance, chunk_size=self.chunk_size)
        return request.sampled(trajectory.noisiest, eps, timesteps)
