"""The adaptor: LoRA pairs and prompt tokens that act on a frozen model inside a window of noise levels."""

import hashlib
import json
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import MISSING, asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from frameweave.adaptor.adapted import Adapted, Gate, VisionFrame
from frameweave.adaptor.card import Card
from frameweave.adaptor.formats import write_layouts
from frameweave.adaptor.injection import Injection
from frameweave.adaptor.lora import added_lora
from frameweave.adaptor.tokens import PrefixTokens
from frameweave.diffusion.schedule import Schedule
from frameweave.errors import AdaptorMismatch, ModelFolderError
from frameweave.models.identity import tensors_print
from frameweave.models.loading import MINIATURE, miniature_folder
from frameweave.models.seam import Model
from frameweave.models.weights import refuse_pickle
from frameweave.runs.atomic import staged

FILE = "adaptor.safetensors"
_HEADER = "frameweave_adaptor"
_APART = ("strength", "low", "high", "tokens_low", "injections", "tokens_for", "steps")
"""What a card says of how the adaptor is used and was trained, and not of what it is."""
_NEEDED = {field.name for field in fields(Card) if field.default is field.default_factory is MISSING}


@dataclass(frozen=True, eq=False)
class Adaptor:
    """LoRA pairs under their peft names, prompt tokens or None, and the card."""

    lora: dict[str, Tensor]
    tokens: PrefixTokens | None
    card: Card

    @contextmanager
    def in_unet(
        self, unet: nn.Module, T: int, *, strength: float | None = None, injection: Injection | None = None
    ) -> Generator[Gate, None, None]:
        """The LoRA on any UNet, switched by the timestep value of each call: the one mechanism of the window.

        Works for every loop that calls the UNet: the editors', the inversion's, a diffusers pipeline's.
        `strength`, or window and strength by `injection`, replace the card's. The gate that is yielded
        can silence the LoRA.
        """
        gate, card = Gate(), self.card
        injected = injection or card.injection(T, strength=strength)
        if injected.silent or not self.lora:  # the same as no LoRA
            yield gate
            return
        check_architecture(card, unet)
        acting = 0.0
        with added_lora(
            unet, rank=card.rank, alpha=card.alpha, layers=card.layers, weights=self.lora
        ) as lora:
            lora.switch(on=False)

            def choose(_module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
                nonlocal acting
                t = args[1] if len(args) > 1 else kwargs["timestep"]
                act = injected.at(float(t.flatten()[0] if isinstance(t, Tensor) else t)) if gate.open else 0.0
                if act == acting:
                    return
                if act:
                    lora.scale(act)
                if bool(act) != bool(acting):
                    lora.switch(bool(act))
                acting = act

            hook = unet.register_forward_pre_hook(choose, with_kwargs=True)
            try:
                yield gate
            finally:
                hook.remove()

    @contextmanager
    def on(
        self,
        model: Model,
        *,
        strength: float | None = None,
        injection: Injection | None = None,
        tokens: bool = True,
        in_inversion: bool = True,
        vision_frame: VisionFrame = "own",
        share_of: int | None = None,
    ) -> Generator[Adapted, None, None]:
        """The adapted model, to be used in place of the plain one while the block runs.

        `strength` or `injection` replace the card's; with `tokens=False` only the LoRA acts; without
        `in_inversion` both are silent in the model's `inverse`. `vision_frame` says which source
        frame gives a frame its unshared tokens. With `share_of`, a number of steps, the window is a
        share of that many steps instead of timestep values. Raises `AdaptorMismatch` when the
        adaptor belongs to another architecture.
        """
        check_architecture(self.card, model.unet)
        schedule = model.schedule
        injected = injection or self.card.injection(schedule.T, strength=strength)
        tokens_window = self.card.tokens_window(schedule.T)
        if share_of is not None:
            timesteps = schedule.timesteps(share_of)
            injected, tokens_window = injected.by_share(timesteps), tokens_window.by_share(timesteps)
        with self.in_unet(model.unet, schedule.T, injection=injected) as gate:
            yield Adapted(
                model=model,
                gate=gate,
                tokens=self.tokens if tokens else None,
                tokens_window=tokens_window,
                in_uncond=self.card.in_uncond,
                form=self.card.form,
                control_sees_tokens=self.card.controlnet_text == "tokens",
                in_inversion=in_inversion,
                vision_frame=vision_frame,
            )

    def active(self, schedule: Schedule, steps: int, *, by_share: bool = False) -> int:
        """How many of a sampler's steps lie in the window of values, or in the same share of the steps."""
        return self.card.injection(schedule.T).active(schedule.timesteps(steps), by_share=by_share)

    def save(self, folder: Path) -> None:
        """Write the adaptor into a folder, each file atomically.

        `adaptor.safetensors` holds all of it. When there is a LoRA, it is written in the layouts of
        diffusers and of kohya too (see `formats`).
        """
        if self.lora:
            write_layouts(self.lora, self.card, folder)
        with staged(folder / FILE) as stage:
            save_file(self._tensors(), stage, {_HEADER: json.dumps(asdict(self.card))})

    def identity(self) -> str:
        """What tells it from others: a digest of its weights and card, however it is used by default."""
        made = {name: value for name, value in asdict(self.card).items() if name not in _APART}
        text = tensors_print(self._tensors()) + json.dumps(made, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def acting(self, injection: Injection, *, tokens: bool) -> tuple[bool, bool]:
        """Whether its LoRA and its prompt tokens have a part in what it does when it acts so."""
        return bool(self.lora) and not injection.silent, tokens and self.tokens is not None

    def effect(self, injection: Injection, *, tokens: bool) -> dict[str, Any]:
        """What it does to a model when it acts so, as JSON holds it.

        With equal effects pictures are equal, if the other arguments of `on` are.
        """
        acting = Injection(tuple((window, strength) for window, strength in injection.parts if strength))
        return {
            "adaptor": self.identity(),
            "injection": str(acting) if self.lora else "",
            "tokens": [self.card.tokens_low, self.card.high] if tokens and self.tokens is not None else None,
        }

    def _tensors(self) -> dict[str, Tensor]:
        tensors = {f"lora.{name}": weight for name, weight in self.lora.items()}
        if self.tokens is not None:
            tensors |= {f"tokens.{name}": weight for name, weight in self.tokens.state_dict().items()}
        return {name: tensors[name].detach().float().cpu().contiguous() for name in sorted(tensors)}


def adaptor_file(name: str) -> Path:
    """Where the adaptor of that name lies: "miniature" (the packaged one), a folder, or its file.

    Raises `ModelFolderError` when it is missing or a pickle.
    """
    folder = miniature_folder().parent / "adaptor" if name == MINIATURE else Path(name)
    refuse_pickle(folder)
    file = folder / FILE if folder.is_dir() else folder
    if not file.is_file():
        raise ModelFolderError(f"{file}: not there", hint="give a folder that `frameweave train` wrote")
    return file


def load_adaptor(name: str) -> Adaptor:
    """Read "miniature" (the packaged one), a folder that `Adaptor.save` wrote, or its file.

    Raises `ModelFolderError` when it is missing, damaged, a pickle, or no adaptor; `AdaptorMismatch` when its
    tensors do not belong together.
    """
    file = adaptor_file(name)
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
            f"the adaptor was trained on {card.base} (UNet {card.architecture}), the model's UNet is {found}",
            hint="use the model that it was trained on, or train one for this model",
        )


def _card(header: str, file: Path) -> Card:
    try:
        table = json.loads(header)
    except json.JSONDecodeError as error:
        raise ModelFolderError(f"{file}: its header is no JSON ({error})", hint="copy it again") from error
    if not isinstance(table, dict):
        raise ModelFolderError(f"{file}: its header is no JSON object", hint="copy it again")
    if odd := table.keys() - {field.name for field in fields(Card)}:
        raise ModelFolderError(
            f"{file}: its header has the unknown field {min(odd)}", hint="update frameweave"
        )
    if missing := _NEEDED - table.keys():
        found = ", ".join(sorted(table)) or "nothing"
        raise ModelFolderError(
            f"{file}: its header has no {min(missing)} (found {found})", hint="export the adaptor again"
        )
    return Card(**table)


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
