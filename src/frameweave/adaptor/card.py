"""What an adaptor says of itself."""

import re
from collections.abc import Iterable
from dataclasses import field
from typing import Annotated, Literal

from pydantic import AliasChoices, ConfigDict, Field
from pydantic.dataclasses import dataclass

from frameweave.adaptor.strengths import StrengthSchedule
from frameweave.diffusion.schedule import TRAINING_T, Window
from frameweave.diffusion.scheduler_config import Prediction
from frameweave.models.vision import VisionTower

Whole = Annotated[int, Field(ge=1)]


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid", allow_inf_nan=False))
class Card:
    """What an adaptor says of itself; stored in its file's header."""

    base: str
    """The model that it was trained on."""
    architecture: str
    """Widths of that model's UNet; see `adaptor.architecture`."""
    rank: Whole = 4
    alpha: int | float = 4.0
    layers: str
    """Regular expression of the adapted layers."""
    strength: float = 0.5
    """How strongly the LoRA acts by default."""
    low: float = 0.9
    high: float = 1.0
    """The window [low T, high T) of timestep values in which the LoRA acts."""
    tokens_low: float | None = None
    """The tokens act in [tokens_low T, high T); None: where the LoRA does."""
    stride: Whole = 2
    """Every how many patches become unshared tokens (Eq. 6)."""
    in_uncond: bool = True
    """Whether the negative branch gets the tokens too."""
    form: Literal["branch", "sequence"] = "branch"
    """How tokens and text are joined (Eq. 8); see `tokens.concat_tokens`."""
    controlnet_text: Literal["text", "tokens"] = "text"
    """Whether the depth ControlNet reads the plain text or the tokens too, as it did in training."""
    vision: str = ""
    """The vision tower that its tokens were trained with, as it was named; empty where that is not known."""
    vision_digest: str = ""
    """Of that tower's weights; see `VisionTower.digest`."""
    prediction: Prediction | None = None
    """What the UNet of its model says of noisy latents; None where that is not known."""
    steps: int = 0
    """Optimiser steps of the LoRA stage."""
    strength_schedules: Annotated[
        dict[str, str], Field(validation_alias=AliasChoices("strength_schedules", "injections"))
    ] = field(default_factory=dict[str, str])
    """By editor, how strongly the LoRA acts by timestep, where `frameweave tune` chose it."""
    tokens_for: list[str] = field(default_factory=list[str])
    """Editors in which the prompt tokens act by default, where `frameweave tune` found that they help."""
    words: list[str] = field(default_factory=list[str])
    """Words of the captions it was trained with that were new to the model: it is for clips of these. Empty
    where that is not known."""

    def __post_init__(self) -> None:
        """Raise `InputError` for windows and schedules that make no sense."""
        self.window()
        self.tokens_window()
        for text in self.strength_schedules.values():
            StrengthSchedule.parse(text)

    def window(self, T: int = TRAINING_T) -> Window:
        """Where the LoRA acts on a schedule of T timesteps."""
        return Window(self.low, self.high, T)

    def tokens_window(self, T: int = TRAINING_T) -> Window:
        """Where the tokens act on a schedule of T timesteps."""
        return Window(self.low if self.tokens_low is None else self.tokens_low, self.high, T)

    def strengths(
        self, T: int = TRAINING_T, *, editor: str = "", strength: float | None = None
    ) -> StrengthSchedule:
        """How the LoRA acts: at a given strength in the window, else as chosen for the editor."""
        if strength is None and editor in self.strength_schedules:
            return StrengthSchedule.parse(self.strength_schedules[editor], T)
        return StrengthSchedule(((self.window(T), self.strength if strength is None else strength),))

    def helps_in(self, editor: str) -> bool:
        """Whether `frameweave tune` found that it helps in that editor."""
        chosen = self.strength_schedules.get(editor)
        by_lora = chosen is not None and not StrengthSchedule.parse(chosen).silent
        return by_lora or editor in self.tokens_for

    def is_for(self, texts: Iterable[str]) -> bool:
        """Whether texts speak of what it was trained for; where it names no words, all do."""
        if not self.words:
            return True
        spoken = {word for text in texts for word in re.findall(r"\w+", text.lower())}
        return not spoken.isdisjoint(self.words)


def other_tower(card: Card, tower: VisionTower) -> str:
    """What to say when tokens meet another vision tower than in their training, if the card knows it."""
    if not card.vision_digest or not tower.digest or card.vision_digest == tower.digest:
        return ""
    return (
        f"the adaptor's prompt tokens were trained with the vision tower {card.vision}, and the model's has "
        "other weights: make sure that they belong together"
    )
