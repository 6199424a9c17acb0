"""`Model`: what an editor may ask of a text-to-image model, and its opaque `Conditioning`."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from transformers import CLIPTokenizer

from frameweave.diffusion.schedule import Schedule
from frameweave.diffusion.scheduler_config import Prediction

Frames = Float[Tensor, "F 3 H W"]
"""Pictures in [0, 1]: frames, colours, height, width."""
Latents = Float[Tensor, "F C h w"]
"""Scaled latents of a clip: frames, channels, height, width."""
VisionStates = Float[Tensor, "F N D_vision"]
"""What a vision tower says of each frame: frames, tokens, width."""
ControlMap = Float[Tensor, "F _ H W"]
"""Pictures in [0, 1], grey or RGB, that steer: one for each frame."""
Timestep = float | Int[Tensor, " F"]
"""One for all frames, or one for each, as training draws them."""
TextStates = Float[Tensor, "branches _ L D"]
"""Guidance branches, frames (1 when all frames share the text), tokens, width."""
ReadStates = Float[Tensor, "branches _ L_read D"]
"""Other texts of the same branches, perhaps of another length."""


@dataclass(frozen=True)
class Said:
    """What a prompt says, and where that stands in its encoded text."""

    text: str
    """Its words, without what only tells how to read them, such as weights."""
    positions: tuple[int, ...]
    """Of the tokens of its words, in their order, in the encoded text."""
    length: int
    """Tokens of the encoded text; more than `Model.tokenizer` takes where it is read in parts."""
    apart: str = ""
    """What tells it from the same prompt read as it is written; empty where that is the same."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Guides:
    """What conditions a prediction beside the text, where it is given."""

    seen: VisionStates | None = None
    """What `Model.seen` says of the source's frames."""
    maps: Mapping[str, ControlMap] = field(default_factory=dict[str, ControlMap])
    """By kind, the pictures by which ControlNets steer, such as "depth": inverse depth, near is 1."""
    controlnet_scale: float = 1.0
    """How strongly they do; 0 is as if they were not there."""
    picture: Latents | None = None
    """Scaled latents that a model which edits by instruction sees beside the noise."""
    guidance: float = 1.0
    """The guidance scale that a model which `embeds_guidance` is told."""


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
        """The same for all its ControlNets, where attention changes in them too; None without any."""
        ...

    @property
    def control_kinds(self) -> tuple[str, ...]:
        """What the pictures show that its ControlNets read, such as depth or canny."""
        ...

    @property
    def device(self) -> torch.device:
        """Where it works."""
        ...

    @property
    def dtype(self) -> torch.dtype:
        """Of latents."""
        ...

    @property
    def schedule(self) -> Schedule: ...

    @property
    def prediction(self) -> Prediction:
        """What the network itself says of noisy latents; `predict` makes the noise of it."""
        ...

    @property
    def embeds_guidance(self) -> bool:
        """Whether the network is told the guidance scale, as latent consistency models are."""
        ...

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

    def decode(self, x_0: Latents) -> Frames:
        """The pictures of a clip; some models look at its other frames too."""
        ...

    def decoded(self, x_0: Latents) -> Iterator[Frames]:
        """The same, a few frames at a time in their order, so that they need not be in memory together."""
        ...

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
        source: Sequence[int] = (),
    ) -> Conditioning:
        """One guidance branch per prompt, for all frames or one per frame.

        `negative` are the branches that guidance leads away from: an adaptor may leave them alone.
        `blind` are those that see an empty picture, `source` those that follow the source as it was inverted:
        without what only the edit is prompted by.
        """
        ...

    def said(self, prompts: Sequence[str]) -> Sequence[Said]:
        """What each prompt says, for editors that compare words; the prompts are encoded together."""
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
