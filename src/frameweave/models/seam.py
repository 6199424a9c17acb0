"""`Model`: what an editor may ask of a text-to-image model, and its opaque `Conditioning`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from transformers import CLIPTokenizer

from frameweave.diffusion.schedule import Schedule

Frames = Float[Tensor, "F 3 H W"]
"""Pictures in [0, 1]: frames, colours, height, width."""
Latents = Float[Tensor, "F C h w"]
"""Scaled latents of a clip: frames, channels, height, width."""
VisionStates = Float[Tensor, "F N D_vision"]
"""What a vision tower says of each frame: frames, tokens, width."""
Timestep = float | Int[Tensor, " F"]
"""One for all frames, or one for each, as training draws them."""
TextStates = Float[Tensor, "branches _ L D"]
"""Guidance branches, frames (1 when all frames share the text), tokens, width."""
ReadStates = Float[Tensor, "branches _ L_read D"]
"""Other texts of the same branches, perhaps of another length."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Guides:
    """What conditions a prediction beside the text: each is None where it is not given."""

    seen: VisionStates | None = None
    """What `Model.seen` says of the source's frames."""
    depth: Float[Tensor, "F 1 H W"] | None = None
    """Inverse depth in [0, 1], near is 1, by which the depth ControlNet steers."""
    controlnet_scale: float = 1.0
    """How strongly it does; 0 is as if it were not there."""
    picture: Latents | None = None
    """Scaled latents that a model which edits by instruction sees beside the noise."""


@runtime_checkable
class Conditioning(Protocol):
    """Whatever a model needs to know beside the noisy latents. Editors choose parts and never look inside."""

    @property
    def cut(self) -> tuple[str, ...]:
        """The end of each prompt that the text tower could not take; empty for one that fits."""
        ...

    @property
    def texts(self) -> TextStates:
        """The encoded texts, for what trains one or puts tokens before them; see `with_texts`."""
        ...

    def of(self, frames: slice | list[int]) -> "Conditioning":
        """What belongs to some frames."""
        ...

    def branches(self, *which: int) -> "Conditioning":
        """Some guidance branches, in that order; one may come twice."""
        ...

    def with_texts(self, texts: TextStates, *, for_controlnet: ReadStates | None = None) -> "Conditioning":
        """With other texts in place of its own; the ControlNet may read others than the UNet."""
        ...


@runtime_checkable
class Model(Protocol):
    """The verbs that every editor is written with. Frames are in [0, 1], latents are scaled."""

    @property
    def unet(self) -> nn.Module:
        """Only to change how it attends, in `with` blocks such as `overridden`; `predict` calls it."""
        ...

    @property
    def controlnet(self) -> nn.Module | None:
        """The same, where attention changes in it too; None where depth cannot steer."""
        ...

    @property
    def schedule(self) -> Schedule: ...

    @property
    def tokenizer(self) -> CLIPTokenizer:
        """Tells which positions of an encoded text belong to which word."""
        ...

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
    def vision_width(self) -> int | None:
        """Width of what `vision` gives; None where the model has no vision tower."""
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
        """What `conditioning` must know of the source's frames; None when it does not depend on them."""
        ...

    def conditioning(
        self,
        prompts: Sequence[str],
        guides: Guides = Guides(),
        *,
        negative: Sequence[int] = (),
        blind: Sequence[int] = (),
    ) -> Conditioning:
        """One guidance branch per prompt, for all frames or one per frame.

        `negative` are the branches that guidance leads away from: an adaptor may leave them alone.
        `blind` are those that see an empty picture.
        """
        ...

    def vision(self, frames: Frames) -> VisionStates: ...

    def predict(
        self, x_t: Float[Tensor, "*branches F C h w"], t: Timestep, conditioning: Conditioning
    ) -> Float[Tensor, "branches F C h w"]:
        """The noise predicted in x_t: the same for all branches, or with an axis of branches in front.

        `t` is one timestep, or one for each frame. Gradients reach the texts and what is trained.
        """
        ...

    def noise(self, shape: tuple[int, ...], rng: torch.Generator) -> Latents: ...
