"""`Model`: what an editor may ask of a text-to-image model. `StableDiffusion` is one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers import CLIPTokenizer

from frameweave.diffusion.schedule import Schedule

Frames = Float[Tensor, "F 3 H W"]
Latents = Float[Tensor, "F C h w"]
VisionStates = Float[Tensor, "F N D_vision"]
TextStates = Float[Tensor, "branches _ L D"]
"""Guidance branches, frames (1 when all frames share the text), tokens, width."""


@dataclass(frozen=True)
class Condition:
    """The text of a run: hidden states per guidance branch, the same for all frames or one per frame.

    `cut` is the end of the prompt that the text tower could not take, or empty.
    """

    states: TextStates
    cut: str = ""

    def of(self, frames: slice | list[int]) -> TextStates:
        """The states of some frames."""
        return self.states if self.states.shape[1] == 1 else self.states[:, frames]


@runtime_checkable
class Model(Protocol):
    """The verbs that every editor is written with. Frames are in [0, 1], latents are scaled."""

    @property
    def unet(self) -> nn.Module: ...

    @property
    def controlnet(self) -> nn.Module | None: ...

    @property
    def schedule(self) -> Schedule: ...

    @property
    def tokenizer(self) -> CLIPTokenizer: ...

    @property
    def vae_factor(self) -> int:
        """Pixels per latent along a side."""
        ...

    @property
    def channels(self) -> int:
        """Channels of a latent."""
        ...

    @property
    def native(self) -> int:
        """The longer side, in pixels, at which the model was trained."""
        ...

    @property
    def takes_picture(self) -> bool:
        """Whether the UNet sees a picture's latents beside the noisy ones, as InstructPix2Pix's does."""
        ...

    @property
    def inverse(self) -> "Model":
        """The model to invert a source with; an adaptor may be silent in it."""
        ...

    def encode(self, frames: Frames, noise: Latents | None = None) -> Latents:
        """The VAE's posterior of frames in [0, 1], times its scaling factor.

        The mean, or with `noise` (standard normal, F C h w) a sample.
        Raises `InputError` when a side is not a multiple of `vae_factor`.
        """
        ...

    def decode(self, x_0: Latents) -> Frames: ...

    def seen(self, frames: Frames) -> VisionStates | None:
        """What `condition` must know of the source's frames; None when the text does not depend on them."""
        ...

    def condition(
        self, prompts: Sequence[str], seen: VisionStates | None = None, negative: Sequence[int] = ()
    ) -> Condition:
        """The text, one branch per prompt, for all frames or (see `seen`) one per frame.

        `negative` are the branches that guidance leads away from: an adaptor may leave them alone.
        """
        ...

    def vision(self, frames: Frames) -> VisionStates: ...

    def eps(
        self,
        x_t: Float[Tensor, "*branches F C h w"],
        t: float,
        states: TextStates,
        depth: Float[Tensor, "F 1 H W"] | None = None,
        picture: Float[Tensor, "branches F C h w"] | None = None,
        *,
        control_text: Float[Tensor, "branches _ L_control D"] | None = None,
    ) -> Float[Tensor, "branches F C h w"]:
        """The noise predicted in x_t: the same for all branches, or with an axis of branches in front.

        `control_text` is what the ControlNet reads, when that is not `states`.
        """
        ...

    def noise(self, shape: tuple[int, ...], rng: torch.Generator) -> Latents: ...
