"""What conditions a Stable Diffusion model: text, and perhaps depth or a picture."""

from dataclasses import dataclass, replace

from jaxtyping import Float
from torch import Tensor

from frameweave.models.seam import ReadStates, TextStates


@dataclass(frozen=True, eq=False, kw_only=True)
class StableConditioning:
    """The `Conditioning` of `StableDiffusion`: hidden states per branch, and what steers beside them."""

    texts: TextStates
    cut: tuple[str, ...] = ()
    for_controlnet: ReadStates | None = None
    """What the ControlNet reads, when that is not `texts`."""
    depth: Float[Tensor, "F 1 H W"] | None = None
    controlnet_scale: float = 1.0
    picture: Float[Tensor, "branches F C h w"] | None = None

    def of(self, frames: slice | list[int]) -> "StableConditioning":
        return replace(
            self,
            texts=_of(self.texts, frames),
            for_controlnet=None if self.for_controlnet is None else _of(self.for_controlnet, frames),
            depth=None if self.depth is None else self.depth[frames],
            picture=None if self.picture is None else self.picture[:, frames],
        )

    def branches(self, *which: int) -> "StableConditioning":
        chosen = list(which)
        return replace(
            self,
            texts=self.texts[chosen],
            for_controlnet=None if self.for_controlnet is None else self.for_controlnet[chosen],
            picture=None if self.picture is None else self.picture[chosen],
        )

    def with_texts(
        self, texts: TextStates, *, for_controlnet: ReadStates | None = None
    ) -> "StableConditioning":
        return replace(self, texts=texts, for_controlnet=for_controlnet)


def _of(texts: ReadStates, frames: slice | list[int]) -> ReadStates:
    """The texts of some frames; one that all frames share stays one."""
    return texts if texts.shape[1] == 1 else texts[:, frames]
