"""Comma-separated tables that can be opened in a spreadsheet: no text in them becomes a formula."""

import csv
import io
import re
from collections.abc import Iterable, Sequence

Cell = str | int | float | None
_FORMULA = re.compile(r"[\s\x00-\x1f\u200b-\u200f\u2060\ufeff]*[=+\-@\uff1d\uff0b\uff0d\uff20]")
"""How a text begins that a spreadsheet computes: the signs, their wide forms, and what it skips before."""


def comma_separated(head: Sequence[str], rows: Iterable[Sequence[Cell]]) -> str:
    """A table as text. Whatever may be a formula gets an apostrophe, which spreadsheets do not show.

    >>> comma_separated(["name", "value"], [["=1+1", -0.5], ["a car", None]])
    "name,value\\n'=1+1,-0.5\\na car,\\n"
    """
    return "".join(_line(row) for row in (head, *rows))


def _line(row: Sequence[Cell]) -> str:
    target = io.StringIO()
    writer = csv.writer(target, lineterminator="\r\n")  # so that both letters are quoted within a cell
    writer.writerow([_harmless(cell) for cell in row])
    return target.getvalue().removesuffix("\r\n") + "\n"


def _harmless(cell: Cell) -> Cell:
    return f"'{cell}" if isinstance(cell, str) and _FORMULA.match(cell) else cell
