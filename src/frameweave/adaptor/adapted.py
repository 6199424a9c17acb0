"""The adapted model: a model whose UNet carries an adaptor's LoRA and whose text its tokens."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers import CLIPTokenizer

from frameweave.adaptor.switching import Gate
from frameweave.adaptor.tokens import PrefixTokens, concat_tokens
from frameweave.adaptor.use import AdaptorUse
from frameweave.diffusion.schedule import Schedule
from frameweave.diffusion.scheduler_config import Prediction
from frameweave.errors import InputError
from frameweave.models.seam import (
    Conditioning,
    Frames,
    Guides,
    Latents,
    Model,
    ReadStates,
    Said,
    TextStates,
    Timestep,
    VisionStates,
)
from frameweave.models.timesteps import first_of


@dataclass(frozen=True, eq=False)
class WithTokens:
    """A conditioning with the adaptor's tokens before its texts, and the same without them."""

    joined: Conditioning
    plain: Conditioning
    form: Literal["branch", "sequence"]
    controlnet_reads_tokens: bool

    @property
    def cut(self) -> tuple[str, ...]:
        return self.plain.cut

    @property
    def texts(self) -> TextStates:
        return self.joined.texts

    def of(self, frames: slice | list[int]) -> "WithTokens":
        return replace(self, joined=self.joined.of(frames), plain=self.plain.of(frames))

    def branches(self, *which: int) -> "WithTokens":
        """Raises `InputError` where all texts are in one sequence and only some of them are wanted."""
        self._check_parts(len(which))
        return replace(self, joined=self.joined.branches(*which), plain=self.plain.branches(*which))

    def with_texts(self, texts: TextStates, *, for_controlnet: ReadStates | None = None) -> "WithTokens":
        """`texts` have the tokens too. Raises what `branches` raises."""
        self._check_parts(0)
        plain = texts[:, :, -self.plain.texts.shape[2] :]
        read = None if self.controlnet_reads_tokens else plain if for_controlnet is None else for_controlnet
        joined = self.joined.with_texts(texts, for_controlnet=read)
        return replace(self, joined=joined, plain=self.plain.with_texts(plain))

    def _check_parts(self, wanted: int) -> None:
        there = len(self.plain.texts)
        if self.form == "sequence" and wanted != there:
            raise InputError(
                f"the adaptor's tokens join {there} texts in one sequence, and {wanted} branches are wanted",
                hint="give an adaptor with tokens_form branch, or --no-tokens",
            )


@dataclass(eq=False, kw_only=True)
class Adapted:
    """A model whose text starts with the adaptor's tokens. Made by `Adaptor.on`."""

    model: Model
    gate: Gate
    use: AdaptorUse
    tokens: PrefixTokens | None
    """None where they do not act."""
    in_uncond: bool = True
    """Whether the negative branch gets the tokens too."""
    form: Literal["branch", "sequence"] = "branch"
    """How tokens and text are joined (Eq. 8)."""
    control_sees_tokens: bool = False
    """Whether the depth ControlNet reads the tokens too."""
    silent: bool = False
    """Whether the LoRA does not act in this view of the model."""

    @property
    def unet(self) -> nn.Module:
        return self.model.unet

    @property
    def controlnet(self) -> nn.Module | None:
        return self.model.controlnet

    @property
    def control_kinds(self) -> tuple[str, ...]:
        return self.model.control_kinds

    @property
    def device(self) -> torch.device:
        return self.model.device

    @property
    def dtype(self) -> torch.dtype:
        return self.model.dtype

    @property
    def schedule(self) -> Schedule:
        return self.model.schedule

    @property
    def prediction(self) -> Prediction:
        return self.model.prediction

    @property
    def embeds_guidance(self) -> bool:
        return self.model.embeds_guidance

    @property
    def tokenizer(self) -> CLIPTokenizer:
        return self.model.tokenizer

    @property
    def vae_factor(self) -> int:
        return self.model.vae_factor

    @property
    def channels(self) -> int:
        return self.model.channels

    @property
    def takes_picture(self) -> bool:
        return self.model.takes_picture

    @property
    def vision_width(self) -> int | None:
        return self.model.vision_width

    @property
    def inverse(self) -> "Adapted":
        """This model, or a view of it in which LoRA and tokens are silent where the use says so."""
        inner = self.model.inverse
        if self.use.in_inversion:
            return self if inner is self.model else replace(self, model=inner)
        return replace(self, model=inner, tokens=None, silent=True)

    def encode(self, frames: Frames, noise: Latents | None = None) -> Latents:
        return self.model.encode(frames, noise)

    def decode(self, x_0: Latents) -> Frames:
        return self.model.decode(x_0)

    def decoded(self, x_0: Latents) -> Iterator[Frames]:
        return self.model.decoded(x_0)

    def said(self, prompts: Sequence[str]) -> Sequence[Said]:
        return self.model.said(prompts)

    def vision(self, frames: Frames) -> VisionStates:
        return self.model.vision(frames)

    def noise(self, shape: tuple[int, ...], rng: torch.Generator) -> Latents:
        return self.model.noise(shape, rng)

    def seen(self, frames: Frames) -> VisionStates | None:
        reads = self.tokens is not None and self.use.reads_frames
        return self.model.vision(frames) if reads else None

    @torch.no_grad()
    def conditioning(
        self,
        prompts: Sequence[str],
        guides: Guides = Guides(),
        *,
        negative: Sequence[int] = (),
        blind: Sequence[int] = (),
        source: Sequence[int] = (),
    ) -> Conditioning:
        """The text after the shared tokens and, when source frames were seen, the unshared ones (Eq. 8)."""
        plain = self.model.conditioning(prompts, guides, negative=negative, blind=blind, source=source)
        if self.tokens is None:
            return plain
        seen = guides.seen
        if self.use.vision_frame == "none":
            seen = None
        elif seen is not None and self.use.vision_frame == "first":
            seen = seen[:1]
        texts = plain.texts
        prefix = self.tokens.to(texts.device, texts.dtype)(seen)
        joined = concat_tokens(prefix, texts, bare=() if self.in_uncond else negative, form=self.form)
        read = None if self.control_sees_tokens else texts
        with_tokens = plain.with_texts(joined.expand(len(texts), -1, -1, -1), for_controlnet=read)
        return WithTokens(with_tokens, plain, self.form, self.control_sees_tokens)

    def predict(
        self, x_t: Float[Tensor, "*branches F C h w"], t: Timestep, conditioning: Conditioning
    ) -> Float[Tensor, "branches F C h w"]:
        if isinstance(conditioning, WithTokens):
            window = self.use.tokens
            inside = window is not None and first_of(t) in window
            conditioning = conditioning.joined if inside else conditioning.plain
        if self.silent:
            with self.gate.shut():
                return self.model.predict(x_t, t, conditioning)
        return self.model.predict(x_t, t, conditioning)
