"""What a table is, before it is written in any format. Imports nothing, so that a server can draw one."""

from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A figure in a table, or the reason why there is none."""

    value: float | None = None
    digits: int = 4
    interval: tuple[float, float] | None = None
    method: str = ""
    """How the interval was found."""
    bold: bool = False
    signed: bool = False
    note: str = ""
    """Short, beside the figure: a dagger, or stars."""
    reason: str = ""


Row = tuple[tuple[str, ...], tuple[Entry, ...]]
"""Words, then figures."""


@dataclass(frozen=True, kw_only=True)
class Table:
    """Words on the left, figures on the right."""

    title: str
    stubs: tuple[str, ...]
    """Heads of the columns of words."""
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = field(default=())
