"""Edits made steadier: what an edit has changed is averaged along the motion of the source."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from frameweave.errors import InputError
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

    def __post_init__(self) -> None:
        if not 0 <= self.strength <= 1 or self.radius < 1:
            raise InputError(
                f"steady by {self.strength} over {self.radius} neighbours, expected 0 to 1 over at least 1",
                hint="1 is all of it, over 2 neighbours is usual",
            )

    def of(
        self,
        edited: Float[Tensor, "F C h w"],
        source: Float[Tensor, "_ C h w"],
        motion: Motion,
        inside: Float[Tensor, "_ 1 h w"] | None = None,
    ) -> Float[Tensor, "F C h w"]:
        """The edited frames made steadier; they may be fewer than the source's.

        Of neighbours counts what lies `inside` the region that is edited, see `Motion.averaged`.
        What equals the source stays as it is, to the last bit, and so does all with strength 0.
        """
        if not self.strength:
            return edited
        exact = edited.to(torch.promote_types(edited.dtype, torch.float32))
        change = exact - source[: len(edited)].to(exact)
        region = None if inside is None else inside[: len(edited)]
        averaged = motion.first(len(edited)).averaged(change, radius=self.radius, inside=region)
        return (exact + self.strength * (averaged - change)).to(edited.dtype)
