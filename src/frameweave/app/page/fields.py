"""Controls of the form for settings of the edit itself, and how each is read and shown."""

from collections.abc import Callable
from dataclasses import dataclass

from gradio.components import Component

from frameweave.app.page.controls import Value

OWN = ""
"""The value of a choice that leaves the choice to the program."""


@dataclass(frozen=True)
class Plain:
    """A field of `EditOptions`, its control, and the two ways between them."""

    name: str
    component: Component
    read: Callable[[Value], object]
    """The field's value; None asks for nothing."""
    show: Callable[[object], Value]


def text(value: Value) -> str | None:
    """A line of text; None where nothing is written, or the control was never touched."""
    return str(value or "").strip() or None


def lines(value: Value) -> tuple[str, ...] | None:
    """Each line that is not empty."""
    return tuple(line.strip() for line in str(value or "").splitlines() if line.strip()) or None


def whole(value: Value) -> int | None:
    return round(float(value)) if value not in (None, "") else None


def positive(value: Value) -> float | None:
    """A number above 0; 0 asks for nothing."""
    return float(value) if value else None


def as_is(value: object) -> Value:
    return value if isinstance(value, str | float | int | bool) else None


def joined(value: object) -> Value:
    """Several values, each in a line of its own."""
    return "\n".join(map(str, value)) if isinstance(value, tuple | list) else ""


def written(value: object) -> Value:
    """Text; nothing for None."""
    return "" if value is None else str(value)


def or_zero(value: object) -> Value:
    return value if isinstance(value, float | int) else 0


def ticked(value: Value) -> bool | None:
    return True if value else None
