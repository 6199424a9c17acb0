"""What an adaptor says of itself."""

from dataclasses import dataclass, field
from typing import Literal

from frameweave.adaptor.injection import Injection
from frameweave.diffusion.schedule import Window


@dataclass(frozen=True, kw_only=True)
class Card:
    """What an adaptor says of itself; stored in its file's header."""

    base: str
    """The model that it was trained on."""
    architecture: str
    """Widths of that model's UNet; see `adaptor.architecture`."""
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
    form: Literal["branch", "sequence"] = "branch"
    """How tokens and text are joined (Eq. 8); see `tokens.concat_tokens`."""
    controlnet_text: Literal["text", "tokens"] = "text"
    """Whether the depth ControlNet reads the plain text or the tokens too, as it did in training."""
    steps: int = 0
    """Optimiser steps of the LoRA stage."""
    injections: dict[str, str] = field(default_factory=dict[str, str])
    """By editor, how strongly the LoRA acts at which noise levels, where `frameweave tune` chose it."""
    tokens_for: list[str] = field(default_factory=list[str])
    """Editors in which the prompt tokens act by default, where `frameweave tune` found that they help."""

    def window(self, T: int) -> Window:
        """Where the LoRA acts on a schedule of T timesteps."""
        return Window(self.low, self.high, T)

    def injection(
        self, T: int, *, editor: str = "", strength: float | None = None, asked: str | None = None
    ) -> Injection:
        """How the LoRA acts: as asked; else at a given strength in the window; else as chosen for the editor.

        Raises `InputError` for what is asked and cannot be read.
        """
        if asked is not None:
            return Injection.parse(asked, T)
        if strength is None and editor in self.injections:
            return Injection.parse(self.injections[editor], T)
        return Injection(((self.window(T), self.strength if strength is None else strength),))

    def tokens_act(self, editor: str, *, asked: bool | None = None) -> bool:
        """Whether the prompt tokens act: as asked; else as was chosen for that editor."""
        return editor in self.tokens_for if asked is None else asked

    def tokens_window(self, T: int) -> Window:
        """Where the tokens act on a schedule of T timesteps."""
        return Window(self.tokens_low, self.high, T)
