"""The adapted model: a model whose UNet carries an adaptor's LoRA and whose text its tokens."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Literal

import torch
from jaxtyping import Float
from torch import nn
from transformers import CLIPTokenizer

from frameweave.adaptor.tokens import PrefixTokens, concat_tokens
from frameweave.diffusion.schedule import Schedule, Window
from frameweave.errors import InputError
from frameweave.models.seam import Condition, Frames, Latents, Model, TextStates, VisionStates

VisionFrame = Literal["own", "first"]


@dataclass(eq=False)
class Gate:
    """Lets the LoRA on a UNet act inside its window, or not at all. Made by `Adaptor.in_unet`."""

    open: bool = True

    @contextmanager
    def shut(self) -> Generator[None, None, None]:
        """The LoRA is silent at every noise level while the block runs."""
        before, self.open = self.open, False
        try:
            yield
        finally:
            self.open = before


@dataclass(eq=False, kw_only=True)
class Adapted:
    """A model whose text starts with the adaptor's tokens. Made by `Adaptor.on`."""

    model: Model
    gate: Gate
    tokens: PrefixTokens | None
    tokens_window: Window
    in_uncond: bool = True
    """Whether the negative branch gets the tokens too."""
    form: Literal["branch", "sequence"] = "branch"
    """How tokens and text are joined (Eq. 8)."""
    control_sees_tokens: bool = False
    """Whether the depth ControlNet reads the tokens too."""
    in_inversion: bool = True
    """Whether `inverse` is adapted too."""
    vision_frame: VisionFrame = "own"
    """The source frame that gives a frame its unshared tokens: its own, or the first."""
    silent: bool = False
    """Whether the LoRA does not act in this view of the model."""
    text_tokens: int = field(default=0, init=False)
    """Length of the text without the prefix, once it is known."""
    text_branches: int = field(default=0, init=False)
    """How many texts were joined with it."""

    @property
    def unet(self) -> nn.Module:
        return self.model.unet

    @property
    def controlnet(self) -> nn.Module | None:
        return self.model.controlnet

    @property
    def schedule(self) -> Schedule:
        return self.model.schedule

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
    def native(self) -> int:
        return self.model.native

    @property
    def takes_picture(self) -> bool:
        return self.model.takes_picture

    @property
    def inverse(self) -> "Adapted":
        """This model, or without `in_inversion` a view of it in which LoRA and tokens are silent."""
        return self if self.in_inversion else replace(self, tokens=None, silent=True)

    def encode(self, frames: Frames, noise: Latents | None = None) -> Latents:
        return self.model.encode(frames, noise)

    def decode(self, x_0: Latents) -> Frames:
        return self.model.decode(x_0)

    def vision(self, frames: Frames) -> VisionStates:
        return self.model.vision(frames)

    def noise(self, shape: tuple[int, ...], rng: torch.Generator) -> Latents:
        return self.model.noise(shape, rng)

    def seen(self, frames: Frames) -> VisionStates | None:
        return None if self.tokens is None else self.model.vision(frames)

    @torch.no_grad()
    def condition(
        self, prompts: Sequence[str], seen: VisionStates | None = None, negative: Sequence[int] = ()
    ) -> Condition:
        """The text after the shared tokens and, when source frames were seen, the unshared ones (Eq. 8)."""
        text = self.model.condition(prompts, seen, negative)
        if self.tokens is None:
            return text
        if seen is not None and self.vision_frame == "first":
            seen = seen[:1]
        prefix = self.tokens.to(text.states.device, text.states.dtype)(seen)
        self.text_branches, self.text_tokens = len(text.states), text.states.shape[2]
        bare = () if self.in_uncond else negative
        states = concat_tokens(prefix, text.states, bare=bare, form=self.form)
        return replace(text, states=states.expand(len(text.states), -1, -1, -1))

    def eps(
        self,
        x_t: Float[torch.Tensor, "*branches F C h w"],
        t: float,
        states: TextStates,
        depth: Float[torch.Tensor, "F 1 H W"] | None = None,
        picture: Float[torch.Tensor, "branches F C h w"] | None = None,
        *,
        control_text: Float[torch.Tensor, "branches _ L_control D"] | None = None,
    ) -> Float[torch.Tensor, "branches F C h w"]:
        if self.silent:
            with self.gate.shut():
                return self.model.eps(x_t, t, states, depth, picture, control_text=control_text)
        if self.tokens is not None and t not in self.tokens_window:
            states = self._text(states)
        elif self.tokens is not None and depth is not None and not self.control_sees_tokens:
            control_text = self._text(states)
        return self.model.eps(x_t, t, states, depth, picture, control_text=control_text)

    def _text(self, states: TextStates) -> Float[torch.Tensor, "branches _ text D"]:
        """Each branch's own text out of states with tokens."""
        if self.form == "branch":
            return states[:, :, -self.text_tokens :]
        if len(states) != self.text_branches:
            raise InputError(
                f"{self.text_branches} texts in one sequence, and {len(states)} branches of them are wanted",
                hint="this editor needs tokens in the form branch, or no tokens",
            )
        texts = states[:, :, -len(states) * self.text_tokens :].unflatten(2, (len(states), -1))
        return torch.stack([own[:, branch] for branch, own in enumerate(texts)])
