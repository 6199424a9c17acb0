"""`AdaptorUse`: which adaptor acts on a model, and how. One value from the options to the hooks."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from frameweave.adaptor.strengths import StrengthSchedule
from frameweave.diffusion.schedule import Window

VisionFrame = Literal["own", "first", "none"]


class Acts(NamedTuple):
    """In how many steps each part of an adaptor acts; None for a part that has no share in its use."""

    lora: int | None
    tokens: int | None

    @property
    def any(self) -> bool:
        return bool(self.lora or self.tokens)


@dataclass(frozen=True, kw_only=True)
class AdaptorUse:
    """Which adaptor acts, how strongly by timestep, and with which parts. Made by `Adaptor.use`."""

    adaptor: str
    """Its `Adaptor.identity`."""
    strengths: StrengthSchedule
    """Of the LoRA by timestep; without windows where the adaptor has no LoRA."""
    tokens: Window | None
    """Where the prompt tokens act; None where they do not."""
    in_inversion: bool = True
    """Whether the adaptor acts while a source is inverted too."""
    vision_frame: VisionFrame = "own"
    """The source frame that gives a frame its unshared tokens: its own, the first, or none."""

    @property
    def silent(self) -> bool:
        """Whether neither part ever acts."""
        return self.strengths.silent and self.tokens is None

    @property
    def reads_frames(self) -> bool:
        """Whether prompt tokens act that are read from the source's frames."""
        return self.tokens is not None and self.vision_frame != "none"

    def acts(self, steps: Sequence[float]) -> Acts:
        """In how many of a sampler's steps, given as their timesteps, each part acts."""
        return Acts(
            None if self.strengths.silent else self.strengths.active(steps),
            None if self.tokens is None else self.tokens.active(steps),
        )

    def by_share(self, timesteps: Sequence[float]) -> "AdaptorUse":
        """The windows as shares of a sampler's steps instead of timestep values; see `Window.by_share`."""
        return replace(
            self,
            strengths=self.strengths.by_share(timesteps),
            tokens=None if self.tokens is None else self.tokens.by_share(timesteps),
        )

    def effect(self) -> dict[str, object]:
        """What it does to a model, as JSON holds it; with equal effects pictures are equal.

        The names are those of the first results that were kept by them.
        """
        found: dict[str, object] = {
            "adaptor": self.adaptor,
            "injection": str(self.strengths.acting),
            "tokens": None if self.tokens is None else [self.tokens.low, self.tokens.high],
            "in_inversion": self.in_inversion,
        }
        if self.tokens is not None and self.vision_frame != "own":  # the usual one was never named
            found["vision_frame"] = self.vision_frame
        return found
