"""Edits made steadier: what an edit has changed is averaged along the motion of the source."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from frameweave.video.motion.motion import Motion


@dataclass(frozen=True)
class Steady:
    """How much steadier, in latents or pixels.

    The edit is averaged and not the edited frames: the source's own detail passes no resampling.
    """

    strength: float = 1.0
    """Share of the averaged edit in the result, in [0, 1]."""
    radius: int = 2
    """Neighbours to each side that are averaged."""

    def of(
        self, edited: Float[Tensor, "F C h w"], source: Float[Tensor, "_ C h w"], motion: Motion
    ) -> Float[Tensor, "F C h w"]:
        """The edited frames made steadier; they may be fewer than the source's.

        What equals the source stays as it is, to the last bit, and so does all with strength 0.
        """
        if not self.strength:
            return edited
        exact = edited.to(torch.promote_types(edited.dtype, torch.float32))
        change = exact - source[: len(edited)].to(exact)
        averaged = motion.first(len(edited)).averaged(change, radius=self.radius)
        return (exact + self.strength * (averaged - change)).to(edited.dtype)
