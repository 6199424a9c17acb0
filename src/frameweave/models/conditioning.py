"""What conditions a Stable Diffusion model: text, and perhaps pictures."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TypedDict

from jaxtyping import Float
from torch import Tensor

from frameweave.models.image_prompt.attention import ImageStates, TextAndImages
from frameweave.models.seam import ControlMap, ReadStates, TextStates

SIZES = 6
"""How many numbers tell SDXL the size of a picture: original height and width, top and left of the part that
is seen, height and width of the whole."""

Pooled = Float[Tensor, "branches _ P"]
"""One vector for each whole text; of all frames (1) or one for each."""


class AddedConditions(TypedDict):
    """What networks of SDXL's kind take beside the text, one row for each of a batch; diffusers' names."""

    text_embeds: Float[Tensor, "S P"]
    time_ids: Float[Tensor, "S 6"]


@dataclass(frozen=True, eq=False, kw_only=True)
class StableConditioning:
    """The `Conditioning` of `StableDiffusion`: hidden states per branch, and what steers beside them."""

    texts: TextStates
    cut: tuple[str, ...] = ()
    for_controlnet: ReadStates | None = None
    """What the ControlNet reads, when that is not `texts`."""
    pooled: Pooled | None = None
    """What stands for each whole text, where the model reads that too."""
    maps: Mapping[str, ControlMap] = field(default_factory=dict[str, ControlMap])
    controlnet_scale: float = 1.0
    picture: Float[Tensor, "branches F C h w"] | None = None
    images: tuple[ImageStates, ...] = ()
    """Pictures that are read beside the text."""
    guidance: float = 1.0
    """The scale that the UNet is told, where it takes one."""

    def of(self, frames: slice | list[int]) -> "StableConditioning":
        return replace(
            self,
            texts=_of(self.texts, frames),
            for_controlnet=None if self.for_controlnet is None else _of(self.for_controlnet, frames),
            pooled=None if self.pooled is None else _of(self.pooled, frames),
            maps={kind: of_all[frames] for kind, of_all in self.maps.items()},
            picture=None if self.picture is None else self.picture[:, frames],
        )

    def branches(self, *which: int) -> "StableConditioning":
        chosen = list(which)
        return replace(
            self,
            texts=self.texts[chosen],
            for_controlnet=None if self.for_controlnet is None else self.for_controlnet[chosen],
            pooled=None if self.pooled is None else self.pooled[chosen],
            picture=None if self.picture is None else self.picture[chosen],
            images=tuple(one.of(chosen) for one in self.images),
        )

    def added(self, frames: int, size: tuple[int, int]) -> AddedConditions | None:
        """What SDXL's networks are told beside the texts of a branch-major batch; None for other models.

        The frames, of that height and width in pixels, are shown as whole pictures of their own size.
        """
        if self.pooled is None:
            return None
        pooled = self.pooled.expand(-1, frames, -1).flatten(0, 1)
        return {
            "text_embeds": pooled,
            "time_ids": pooled.new_tensor([*size, 0, 0, *size]).repeat(len(pooled), 1),
        }

    def read(self, texts: Float[Tensor, "S L D"], t: float) -> Tensor | TextAndImages:
        """What text attentions read at a timestep, of a branch-major batch: its texts, perhaps pictures."""
        acting = [one for one in self.images if one.acts(t)]
        if not acting:
            return texts
        times = len(texts) // len(self.texts)
        images = [
            (one.tokens.to(texts).repeat_interleave(times, 0), one.strengths(texts, times)) for one in acting
        ]
        return TextAndImages(texts, images)

    def with_texts(
        self, texts: TextStates, *, for_controlnet: ReadStates | None = None
    ) -> "StableConditioning":
        return replace(self, texts=texts, for_controlnet=for_controlnet)


def _of(texts: Tensor, frames: slice | list[int]) -> Tensor:
    """The texts of some frames; one that all frames share stays one."""
    return texts if texts.shape[1] == 1 else texts[:, frames]
