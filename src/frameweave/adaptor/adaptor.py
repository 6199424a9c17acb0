"""The adaptor: LoRA pairs and prompt tokens that act on a frozen model inside a window of timesteps."""

import hashlib
import json
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from frameweave.adaptor.adapted import Adapted
from frameweave.adaptor.card import Card
from frameweave.adaptor.formats import KINDS, write_layouts
from frameweave.adaptor.lora import added_lora
from frameweave.adaptor.packaged import packaged_folder
from frameweave.adaptor.strengths import NEVER, StrengthSchedule, strength_in_range
from frameweave.adaptor.switching import Gate, by_timestep
from frameweave.adaptor.tokens import PrefixTokens
from frameweave.adaptor.use import AdaptorUse
from frameweave.diffusion.schedule import TRAINING_T
from frameweave.errors import AdaptorMismatch, InputError, ModelFolderError
from frameweave.models.identity import tensors_print
from frameweave.models.loading.weights import refuse_pickle
from frameweave.models.loras.kinds import ADAPTOR_HEADER
from frameweave.models.seam import Model
from frameweave.runs.atomic import staged

FILE = "adaptor.safetensors"
_APART = (
    *("strength", "low", "high", "tokens_low", "strength_schedules", "tokens_for", "words", "steps"),
    *("vision", "vision_digest", "prediction"),
)
"""What a card says of how the adaptor is used and was trained, and not of what it is."""


@dataclass(frozen=True, eq=False)
class Adaptor:
    """LoRA pairs under their peft names, prompt tokens or None, and the card."""

    lora: dict[str, Tensor]
    tokens: PrefixTokens | None
    card: Card

    def use(
        self,
        editor: str = "",
        *,
        strength: float | StrengthSchedule | None = None,
        window: tuple[float, float] | None = None,
        tokens: bool | None = None,
        T: int = TRAINING_T,
    ) -> AdaptorUse:
        """How it acts on a model of T timesteps: as asked, else as its card says for the editor.

        A `strength` that is a number holds in the card's window; in a `window` (shares of T) that is asked
        for, tokens and LoRA act in all editors alike.
        """
        card = self.card
        if isinstance(strength, int | float):
            strength_in_range(strength)
        if window is not None:
            low, high = window
            card, editor = replace(card, low=low, high=high, tokens_low=low), ""
        strengths = (
            strength
            if isinstance(strength, StrengthSchedule)
            else card.strengths(T, editor=editor, strength=strength)
        )
        with_tokens = editor in card.tokens_for if tokens is None else tokens
        return AdaptorUse(
            adaptor=self.identity,
            strengths=strengths if self.lora else NEVER,
            tokens=card.tokens_window(T) if with_tokens and self.tokens is not None else None,
        )

    @contextmanager
    def in_unet(self, unet: nn.Module, use: AdaptorUse) -> Generator[Gate, None, None]:
        """The LoRA on any UNet, switched by the timestep value of each call: the one mechanism of the window.

        Works for every loop that calls the UNet: the editors', the inversion's, a diffusers pipeline's.
        The gate that is yielded can silence the LoRA.
        """
        gate, card = Gate(), self.card
        self._check(use)
        if use.strengths.silent:  # the same as no LoRA
            yield gate
            return
        check_architecture(card, unet)
        with (
            added_lora(unet, rank=card.rank, alpha=card.alpha, layers=card.layers, weights=self.lora) as lora,
            by_timestep(unet, lora, use.strengths, gate),
        ):
            yield gate

    @contextmanager
    def on(self, model: Model, use: AdaptorUse) -> Generator[Adapted, None, None]:
        """The adapted model, to be used in place of the plain one while the block runs.

        Raises `AdaptorMismatch` when the adaptor belongs to another architecture, or its tokens to another
        vision tower.
        """
        check_architecture(self.card, model.unet)
        if use.reads_frames and model.vision_width is not None:
            self.check_vision(model.vision_width)
        with self.in_unet(model.unet, use) as gate:
            yield Adapted(
                model=model,
                gate=gate,
                use=use,
                tokens=None if use.tokens is None else self.tokens,
                in_uncond=self.card.in_uncond,
                form=self.card.form,
                control_sees_tokens=self.card.controlnet_text == "tokens",
            )

    def check_vision(self, width: int) -> None:
        """Raise `AdaptorMismatch` when its tokens were made for what a vision tower of another width sees."""
        if self.tokens is not None and self.tokens.vision_width != width:
            trained = f" ({self.card.vision})" if self.card.vision else ""
            raise AdaptorMismatch(
                f"the adaptor's prompt tokens take what a vision tower of width {self.tokens.vision_width} "
                f"sees{trained}, the model's has width {width}",
                hint="name the tower of its training with --vision, or leave out the tokens (--no-tokens)",
            )

    def _check(self, use: AdaptorUse) -> None:
        """Raise `AdaptorMismatch` for the use of another adaptor."""
        if use.adaptor != self.identity:
            raise AdaptorMismatch(
                f"the use of another adaptor (of {use.adaptor[:12]}, this one is {self.identity[:12]})",
                hint="make it with the `use` of this adaptor",
            )

    def save(self, folder: Path) -> None:
        """Write the adaptor into a folder, each file atomically.

        `adaptor.safetensors` holds all of it. When there is a LoRA, it is written in the layouts of
        diffusers and of kohya too (see `formats`).
        """
        if self.lora:
            write_layouts(self.lora, self.card, folder)
        with staged(folder / FILE) as stage:
            save_file(self._tensors(), stage, {ADAPTOR_HEADER: json.dumps(asdict(self.card))})

    @property  # not kept: weights may be trained further
    def identity(self) -> str:
        """What tells it from others: a digest of its weights and card, however it is used by default."""
        made = {name: value for name, value in asdict(self.card).items() if name not in _APART}
        text = tensors_print(self._tensors()) + json.dumps(made, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def _tensors(self) -> dict[str, Tensor]:
        tensors = {f"lora.{name}": weight for name, weight in self.lora.items()}
        if self.tokens is not None:
            tensors |= {f"tokens.{name}": weight for name, weight in self.tokens.state_dict().items()}
        return {name: tensors[name].detach().float().cpu().contiguous() for name in sorted(tensors)}


def adaptor_file(name: str) -> Path:
    """Where the adaptor of that name lies: a packaged one such as "miniature", a folder, or its file.

    The folder of a training is as good as that of the adaptor in it.

    Raises `ModelFolderError` when it is missing or a pickle.
    """
    folder = packaged_folder(name) or Path(name)
    refuse_pickle(folder)
    inside = folder / "adaptor"
    folder = inside if not (folder / FILE).is_file() and (inside / FILE).is_file() else folder
    file = folder / FILE if folder.is_dir() else folder
    if not file.is_file():
        raise ModelFolderError(f"{file}: not there", hint="give a folder that `frameweave train` wrote")
    return file


def load_adaptor(name: str) -> Adaptor:
    """Read a packaged one such as "miniature", a folder that `Adaptor.save` wrote, or its file.

    Raises `ModelFolderError` when it is missing, damaged, a pickle, or no adaptor; `AdaptorMismatch` when its
    tensors do not belong together.
    """
    file = adaptor_file(name)
    try:
        with safe_open(file, "pt") as opened:
            header = (opened.metadata() or {}).get(ADAPTOR_HEADER)
            tensors = {key: opened.get_tensor(key) for key in opened.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise ModelFolderError(f"{file}: damaged ({error})", hint="copy it again") from error
    if header is None:
        raise ModelFolderError(
            f"{file}: no adaptor (its header has no {ADAPTOR_HEADER})", hint=f"give a folder with {FILE}"
        )
    card = _card(header, file)
    lora = {key.removeprefix("lora."): value for key, value in tensors.items() if key.startswith("lora.")}
    for key, value in lora.items():
        rank = value.shape[0 if ".lora_A." in key else 1]
        if rank != card.rank:
            raise AdaptorMismatch(
                f"{file}: {key} has rank {rank}, the header says {card.rank}", hint="export it again"
            )
    return Adaptor(lora, _tokens(tensors, card.stride, file), card)


def architecture(unet: nn.Module) -> str:
    """The widths that an adaptor depends on, e.g. "320-640-1280-1280 x 768"."""
    config: Any = unet.config
    return f"{'-'.join(map(str, config['block_out_channels']))} x {config['cross_attention_dim']}"


def check_architecture(card: Card, unet: nn.Module) -> None:
    """Raise `AdaptorMismatch` when the adaptor was trained on another kind of UNet."""
    found = architecture(unet)
    if card.architecture != found:
        raise AdaptorMismatch(
            f"the adaptor was trained on {card.base} (UNet {_named(card.architecture)}), "
            f"the model's UNet is {_named(found)}",
            hint="use the model that it was trained on, or train one for this model",
        )


def _named(architecture: str) -> str:
    """With the name of the models that have it, where there is one."""
    return f"{architecture}, {KINDS[architecture]}" if architecture in KINDS else architecture


def _card(header: str, file: Path) -> Card:
    try:
        table = json.loads(header)
    except json.JSONDecodeError as error:
        raise ModelFolderError(f"{file}: its header is no JSON ({error})", hint="copy it again") from error
    if not isinstance(table, dict):
        raise ModelFolderError(f"{file}: its header is no JSON object", hint="copy it again")
    try:
        return Card(**table)
    except ValidationError as error:
        raise ModelFolderError(f"{file}: {_wrong(error, table)}", hint=_hint(error)) from None
    except InputError as error:
        raise ModelFolderError(f"{file}: its header has a {error.args[0]}", hint="export it again") from error


def _wrong(error: ValidationError, found: Iterable[str]) -> str:
    """What is wrong with a header, in words."""
    first = error.errors()[0]
    name = str(first["loc"][0])
    match first["type"]:
        case "missing" | "missing_keyword_only_argument":
            return f"its header has no {name} (found {', '.join(sorted(found)) or 'nothing'})"
        case "unexpected_keyword_argument":
            return f"its header has the unknown field {name}"
        case _:
            said = first["msg"].removeprefix("Input should be ")
            return f"its header has {name} {first['input']!r}, expected {said}"


def _hint(error: ValidationError) -> str:
    unknown = error.errors()[0]["type"] == "unexpected_keyword_argument"
    return "update frameweave" if unknown else "export the adaptor again"


def _tokens(tensors: dict[str, Tensor], stride: int, file: Path) -> PrefixTokens | None:
    state = {
        key.removeprefix("tokens."): value for key, value in tensors.items() if key.startswith("tokens.")
    }
    if not state:
        return None
    try:
        (n_shared, width), vision = state["T_share"].shape, state["W_proj.weight"].shape[1]
        tokens = PrefixTokens(n_shared, width, vision, stride=stride, rng=torch.Generator())
        tokens.load_state_dict(state)
    except (KeyError, ValueError, IndexError, RuntimeError) as error:
        found = ", ".join(f"{name} {tuple(tensor.shape)}" for name, tensor in sorted(state.items()))
        raise AdaptorMismatch(
            f"{file}: its tokens are {found}, expected T_share (N, D), W_proj.weight (D, D_vision) and "
            "W_proj.bias (D,)",
            hint="export the adaptor again",
        ) from error
    return tokens.requires_grad_(False).eval()
