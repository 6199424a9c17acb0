"""How prompts are read: by which syntax, and which layer of a text tower."""

from dataclasses import dataclass

from frameweave.errors import InputError
from frameweave.models.text.syntax import SYNTAXES


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How prompts are read."""

    syntax: str = "plain"
    """As they are written and cut where they are too long, or (a1111) with weights, breaks and parts."""
    clip_skip: int = 1
    """Which of a tower's last layers is read: 1 is the one that the model was trained with, 2 the one before
    it, as the web UI counts."""

    def check(self, layers: int) -> None:
        """Raise `InputError` for an unknown syntax, and when towers of so many layers have no such one."""
        if self.syntax not in SYNTAXES:
            raise InputError.unknown("prompt syntax", self.syntax, SYNTAXES)
        if not 1 <= self.clip_skip <= layers:
            raise InputError(
                f"clip_skip is {self.clip_skip}, the text encoder has {layers} layers to read",
                hint="1 is the usual one, 2 is that before it",
            )


USUAL = Reading()
