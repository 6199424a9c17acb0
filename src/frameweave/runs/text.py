"""Text that comes from outside: whether a file can hold it, and how a terminal shows it."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, cast

_UNWRITABLE = re.compile("[\0\ud800-\udfff]")
"""Halves of surrogate pairs, which stand for bytes that are not UTF-8, and NUL, which ends a name."""
_UNSAFE = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""What steers a terminal, turns the direction of text, or cannot be encoded; not tabs and ends of lines."""


def unwritable(found: object) -> str:
    """The first text in a value, its lists and its tables that no UTF-8 file can hold; else an empty one."""
    if isinstance(found, Mapping):
        table = cast("Mapping[Any, Any]", found)
        return next((text for pair in table.items() for one in pair if (text := unwritable(one))), "")
    if isinstance(found, Iterable) and not isinstance(found, str | bytes):
        return next((text for one in cast("Iterable[Any]", found) if (text := unwritable(one))), "")
    text = str(found)
    return text if _UNWRITABLE.search(text) else ""


def printable(text: str) -> str:
    r"""The text with every character that a terminal would obey, or cannot show, written as its escape.

    >>> print(printable("a\x1b[31m.mp4"), printable("\udcff.mp4"))
    a\x1b[31m.mp4 \xff.mp4
    """
    return _UNSAFE.sub(lambda found: _escaped(found[0]), text)


def _escaped(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that was not UTF-8
        code -= 0xDC00
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
