"""An editor of another package: as framewise, and every frame also looks at the first of its window."""

import torch

from frameweave.api import (
    Attend,
    AttentionRule,
    Count,
    Editor,
    EditRequest,
    Latents,
    NotNegative,
    Share,
    Site,
    Tokens,
    blended,
    guided,
    overridden,
)


class FirstFrame(Editor):
    """DDIM inversion, then sampling in which every frame sees its own tokens and the first frame's."""

    steps: Count = 25
    """Steps of inversion and of sampling."""
    guidance: float = 5.0
    """Classifier-free guidance while sampling; inversion has none."""
    strength: Share = 1.0
    """How far to invert, as a share of the steps: lower keeps more of the source."""
    context_length: Count = 16
    """Frames that are sampled together; lower needs less memory."""
    context_overlap: NotNegative = 4
    """Frames that neighbouring windows share."""

    def edit(self, request: EditRequest) -> Latents:
        length = min(self.context_length, len(request))
        timesteps = request.timesteps(self.steps, self.strength)
        start = request.inverted(timesteps, keep=timesteps[:1], chunk_size=length).noisiest
        conditioning = request.conditioning([request.negative_prompt, request.prompt], negative=(0,))

        @torch.no_grad()
        def window_eps(window: slice, x: Latents, t: int) -> Latents:
            negative, positive = request.model.predict(x, t, conditioning.of(window))
            return guided(negative, positive, self.guidance)

        eps = blended(window_eps, len(request), length, min(self.context_overlap, length - 1))
        with overridden(request.model.unet, with_first_frame(length)):
            return request.sampled(start, eps, timesteps)


def with_first_frame(frames: int) -> AttentionRule:
    """Queries come from each frame, keys and values from it and from the first of so many frames."""

    def rule(x: Tokens, attend: Attend, site: Site) -> Tokens:
        clips = x.unflatten(0, (-1, frames))  # one clip for each branch of the guidance
        seen = torch.cat([clips, clips[:, :1].expand_as(clips)], dim=2).flatten(0, 1)
        return attend(x, seen, seen)

    return rule
