"""How strongly a LoRA acts by timestep: in the paper's window, or changing from window to window."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from frameweave.diffusion.schedule import Window
from frameweave.errors import InputError


@dataclass(frozen=True)
class StrengthSchedule:
    """Windows of timestep values with a strength each, none overlapping; elsewhere the LoRA is silent.

    A single window is the paper's (A.2); several are the schedule that it names as future work.
    """

    parts: tuple[tuple[Window, float], ...]

    @classmethod
    def parse(cls, text: str, T: int = 1000) -> "StrengthSchedule":
        """From shares of T, each with its strength.

        >>> schedule = StrengthSchedule.parse("0.9-1:2,0.6-0.9:0.5")
        >>> [schedule.at(t) for t in (999, 900, 700, 500)]
        [2.0, 2.0, 0.5, 0.0]
        >>> str(schedule)
        '0.9-1:2,0.6-0.9:0.5'

        Raises `InputError` for what cannot be read, windows that overlap, and strengths outside [0, 2].
        """
        parts: list[tuple[Window, float]] = []
        for piece in text.split(","):
            stretch, _, strength = piece.partition(":")
            low, _, high = stretch.partition("-")
            try:
                window, value = Window(float(low), float(high), T), float(strength)
            except ValueError:
                raise InputError(
                    f"strength schedule {text!r}: cannot read {piece!r}",
                    hint="write shares of T with a strength each, e.g. 0.9-1:2,0.6-0.9:0.5",
                ) from None
            parts.append((window, strength_in_range(value)))
        parts.sort(key=lambda part: -part[0].low)
        for (above, _), (below, _) in pairwise(parts):
            if below.high > above.low:
                raise InputError(
                    f"strength schedule {text!r}: timestep intervals overlap at {above.low:g}",
                    hint="let each interval end where the next one begins",
                )
        return cls(tuple(parts))

    def __str__(self) -> str:
        return ",".join(f"{window.low:g}-{window.high:g}:{strength:g}" for window, strength in self.parts)

    def at(self, t: float) -> float:
        """The strength at a timestep value."""
        return next((strength for window, strength in self.parts if t in window), 0.0)

    @property
    def acting(self) -> "StrengthSchedule":
        """The same without the windows in which nothing acts."""
        return StrengthSchedule(tuple(part for part in self.parts if part[1]))

    @property
    def silent(self) -> bool:
        """Whether it never acts."""
        return not self.acting.parts

    @property
    def largest(self) -> float:
        """The largest of its strengths; 0 without any."""
        return max((strength for _, strength in self.parts), default=0.0)

    def active(self, timesteps: Sequence[float]) -> int:
        """In how many of a sampler's timesteps the LoRA acts."""
        return sum(self.at(t) != 0 for t in timesteps)

    def by_share(self, timesteps: Sequence[float]) -> "StrengthSchedule":
        """The same shares of a sampler's steps instead of timestep values; see `Window.by_share`."""
        return StrengthSchedule(
            tuple((window.by_share(timesteps), strength) for window, strength in self.parts)
        )


NEVER = StrengthSchedule(())
"""The LoRA never acts."""


def strength_in_range(strength: float) -> float:
    """Raises `InputError` for a strength outside [0, 2]."""
    if not 0 <= strength <= 2:
        raise InputError(f"adaptor strength {strength:g}, expected 0 to 2", hint="0.5 is usual")
    return strength
