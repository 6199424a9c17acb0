"""The adaptor: LoRA pairs and prompt tokens that act on a frozen model inside a window of noise levels."""

import json
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from frameweave.atomic import staged
from frameweave.diffusion.schedule import Schedule, Window
from frameweave.errors import AdaptorMismatch, InputError, ModelFolderError
from frameweave.model.backbone import Backbone, Condition, Frames, Latents, TextStates, VisionStates
from frameweave.model.loading import MINIATURE, miniature_folder, refuse_pickle
from frameweave.model.lora import added_lora
from frameweave.model.tokens import PrefixTokens, concat_tokens

FILE = "adaptor.safetensors"
_HEADER = "frameweave_adaptor"


@dataclass(frozen=True, kw_only=True)
class Card:
    """What an adaptor says of itself; stored in its file's header."""

    base: str
    """The model that it was trained on."""
    architecture: str
    """Widths of that model's UNet; see `architecture`."""
    rank: int = 4
    alpha: float = 4.0
    layers: str
    """Regular expression of the adapted layers."""
    strength: float = 0.5
    """How strongly the LoRA acts by default."""
    low: float = 0.9
    high: float = 1.0
    """The window [low T, high T) of timestep values in which the LoRA acts."""
    tokens_low: float = 0.9
    """The tokens act in [tokens_low T, high T)."""
    stride: int = 2
    """Every how many patches become unshared tokens (Eq. 6)."""
    in_uncond: bool = True
    """Whether the negative branch gets the tokens too."""
    steps: int = 0
    """Optimiser steps of the LoRA stage."""

    def window(self, T: int) -> Window:
        """Where the LoRA acts on a schedule of T timesteps."""
        return Window(self.low, self.high, T)


@dataclass(frozen=True, eq=False)
class Adaptor:
    """LoRA pairs under their peft names, prompt tokens or None, and the card."""

    lora: dict[str, Tensor]
    tokens: PrefixTokens | None
    card: Card

    @contextmanager
    def in_unet(
        self, unet: nn.Module, T: int, *, strength: float | None = None
    ) -> Generator[None, None, None]:
        """The LoRA on any UNet, switched by the timestep value of each call: the one mechanism of the window.

        Works for every loop that calls the UNet: the editors', the inversion's, a diffusers pipeline's.
        """
        if strength == 0 or not self.lora:  # the same as no LoRA
            yield
            return
        check_architecture(self.card, unet)
        window, acting = self.card.window(T), [True]
        card = self.card
        with added_lora(
            unet, rank=card.rank, alpha=card.alpha, layers=card.layers, weights=self.lora
        ) as lora:
            lora.scale(card.strength if strength is None else strength)
            lora.switch(on=True)

            def choose(_module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
                t = args[1] if len(args) > 1 else kwargs["timestep"]
                inside = float(t.flatten()[0] if isinstance(t, Tensor) else t) in window
                if inside != acting[0]:
                    lora.switch(inside)
                    acting[0] = inside

            hook = unet.register_forward_pre_hook(choose, with_kwargs=True)
            try:
                yield
            finally:
                hook.remove()

    @contextmanager
    def on(
        self, backbone: Backbone, *, strength: float | None = None, tokens: bool = True
    ) -> Generator["Adapted", None, None]:
        """The adapted backbone, to be used in place of the plain one while the block runs.

        `strength` replaces the card's; with `tokens=False` only the LoRA acts. Raises
        `AdaptorMismatch` when the adaptor belongs to another architecture.
        """
        check_architecture(self.card, backbone.unet)
        with self.in_unet(backbone.unet, backbone.schedule.T, strength=strength):
            yield Adapted(backbone, self.card, self.tokens if tokens else None)

    def active(self, schedule: Schedule, steps: int) -> int:
        """How many of a sampler's steps lie in the window."""
        return self.card.window(schedule.T).active(schedule.timesteps(steps))

    def save(self, folder: Path) -> None:
        """Write `adaptor.safetensors` into a folder, atomically."""
        tensors = {f"lora.{name}": weight for name, weight in self.lora.items()}
        if self.tokens is not None:
            tensors |= {f"tokens.{name}": weight for name, weight in self.tokens.state_dict().items()}
        tensors = {name: weight.detach().float().cpu().contiguous() for name, weight in tensors.items()}
        with staged(folder / FILE) as stage:
            save_file(tensors, stage, {_HEADER: json.dumps(asdict(self.card))})


def load_adaptor(name: str) -> Adaptor:
    """Read "miniature" (the packaged one), a folder that `Adaptor.save` wrote, or its file.

    Raises `ModelFolderError` when it is missing, damaged, a pickle, or no adaptor.
    """
    folder = miniature_folder().parent / "adaptor" if name == MINIATURE else Path(name)
    refuse_pickle(folder)
    file = folder / FILE if folder.is_dir() else folder
    if not file.is_file():
        raise ModelFolderError(f"{file}: not there", hint="give a folder that `frameweave train` wrote")
    try:
        with safe_open(file, "pt") as opened:
            header = (opened.metadata() or {}).get(_HEADER)
            tensors = {key: opened.get_tensor(key) for key in opened.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise ModelFolderError(f"{file}: damaged ({error})", hint="copy it again") from error
    if header is None:
        raise ModelFolderError(
            f"{file}: no adaptor (its header has no {_HEADER})", hint=f"give a folder with {FILE}"
        )
    card = _card(json.loads(header), file)
    lora = {key.removeprefix("lora."): value for key, value in tensors.items() if key.startswith("lora.")}
    for key, value in lora.items():
        rank = value.shape[0 if ".lora_A." in key else 1]
        if rank != card.rank:
            raise AdaptorMismatch(
                f"{file}: {key} has rank {rank}, the header says {card.rank}", hint="export it again"
            )
    return Adaptor(lora, _tokens(tensors, card.stride), card)


def architecture(unet: nn.Module) -> str:
    """The widths that an adaptor depends on, e.g. "320-640-1280-1280 x 768"."""
    config: Any = unet.config
    return f"{'-'.join(map(str, config['block_out_channels']))} x {config['cross_attention_dim']}"


def check_architecture(card: Card, unet: nn.Module) -> None:
    """Raise `AdaptorMismatch` when the adaptor was trained on another kind of UNet."""
    found = architecture(unet)
    if card.architecture != found:
        raise AdaptorMismatch(
            f"the adaptor was trained on {card.base} (UNet {card.architecture}), the model's UNet is {found}",
            hint="use the model that it was trained on, or train one for this model",
        )


def _card(table: dict[str, Any], file: Path) -> Card:
    known = {field.name for field in fields(Card)}
    if odd := table.keys() - known:
        raise ModelFolderError(
            f"{file}: its header has the unknown field {min(odd)}", hint="update frameweave"
        )
    return Card(**table)


def _tokens(tensors: dict[str, Tensor], stride: int) -> PrefixTokens | None:
    state = {
        key.removeprefix("tokens."): value for key, value in tensors.items() if key.startswith("tokens.")
    }
    if not state:
        return None
    (n_shared, width), vision = state["T_share"].shape, state["W_proj.weight"].shape[1]
    tokens = PrefixTokens(n_shared, width, vision, stride=stride, rng=torch.Generator())
    tokens.load_state_dict(state)
    return tokens.requires_grad_(False).eval()


@dataclass(eq=False)
class Adapted:
    """A backbone whose text starts with the adaptor's tokens. Made by `Adaptor.on`."""

    backbone: Backbone
    card: Card
    tokens: PrefixTokens | None
    text_tokens: int = 0
    """Length of the text without the prefix, once it is known."""

    @property
    def unet(self) -> nn.Module:
        return self.backbone.unet

    @property
    def controlnet(self) -> nn.Module | None:
        return self.backbone.controlnet

    @property
    def schedule(self) -> Schedule:
        return self.backbone.schedule

    @property
    def vae_factor(self) -> int:
        return self.backbone.vae_factor

    @property
    def channels(self) -> int:
        return self.backbone.channels

    @property
    def multiple(self) -> int:
        return self.backbone.multiple

    @property
    def native(self) -> int:
        return self.backbone.native

    def encode(self, frames: Frames) -> Latents:
        return self.backbone.encode(frames)

    def decode(self, x_0: Latents) -> Frames:
        return self.backbone.decode(x_0)

    def vision(self, frames: Frames) -> VisionStates:
        return self.backbone.vision(frames)

    def noise(self, shape: tuple[int, ...], rng: torch.Generator) -> Latents:
        return self.backbone.noise(shape, rng)

    @torch.no_grad()
    def condition(self, prompts: Sequence[str], frames: Frames | None = None) -> Condition:
        """The text after the shared tokens and, when there are source frames, each frame's own (Eq. 8)."""
        text = self.backbone.condition(prompts, frames)
        if self.tokens is None:
            return text
        tokens = self.tokens.to(text.states.device, text.states.dtype)
        prefix = tokens(None if frames is None else self.backbone.vision(frames))
        self.text_tokens = text.states.shape[2]
        return replace(text, states=concat_tokens(prefix, text.states, in_uncond=self.card.in_uncond))

    def eps(
        self, x_t: Latents, t: int, states: TextStates, depth: Float[Tensor, "F 1 H W"] | None = None
    ) -> Float[Tensor, "branches F C h w"]:
        if self.tokens is not None and t not in Window(self.card.tokens_low, self.card.high, self.schedule.T):
            states = states[:, :, -self.text_tokens :]
        return self.backbone.eps(x_t, t, states, depth)


def strength_in_range(strength: float) -> float:
    """Raises `InputError` for a strength outside [0, 2]."""
    if not 0 <= strength <= 2:
        raise InputError(f"adaptor strength {strength:g}, expected 0 to 2", hint="0.5 is usual")
    return strength
