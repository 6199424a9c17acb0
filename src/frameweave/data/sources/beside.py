"""What is written beside a video, as text or as JSON: one reader for folders, tars and training."""

import json
from collections.abc import Callable
from typing import Any

from frameweave.data.record import Told
from frameweave.data.text import captions_of, decoded

LARGEST = 2**24
"""Bytes of a file of captions: 16 MB."""
Beside = Callable[[str], tuple[str, bytes] | None]
"""The name and at most the first `LARGEST` + 1 bytes of the file with a suffix; None when there is none."""


def told_beside(beside: Beside) -> Told:
    """What `.txt` says (a caption a line), and `.json`, whose captions count where the text says none.

    Raises `ValueError` with the file's name when it cannot be read, or is no text or JSON.
    """
    text, table = _read(beside(".txt"), _told_by_text), _read(beside(".json"), told_by_json)
    return table.replaced(captions=text.captions) if captions_of(text.captions) else table


def _read(found: tuple[str, bytes] | None, meaning: Callable[[bytes], Told]) -> Told:
    if found is None:
        return Told()
    name, content = found
    try:
        if len(content) > LARGEST:
            raise ValueError(f"more than {LARGEST >> 20} MB of captions")
        return meaning(content)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error


def _told_by_text(content: bytes) -> Told:
    return Told(captions=tuple(decoded(content).splitlines()))


def told_by_json(content: bytes) -> Told:
    """From a string, a list, or an object with caption, captions or text; split, category, and origin or url.

    >>> told_by_json(b'{"caption": "a red car", "split": "train", "category": 3}')
    Told(captions=('a red car',), split='train', category='3', origin='')

    Raises `ValueError` when it is no JSON.
    """
    try:
        given: Any = json.loads(decoded(content))
    except RecursionError as error:
        raise ValueError("JSON that is nested too deeply") from error
    table = given if isinstance(given, dict) else {"captions": given}
    texts: Any = next((table[name] for name in ("captions", "caption", "text") if table.get(name)), ())
    split, category, origin, url = (
        str(table[name]) if isinstance(table.get(name), str | int) else ""
        for name in ("split", "category", "origin", "url")
    )
    listed = texts if isinstance(texts, list) else [texts]
    captions = tuple(text for text in listed if isinstance(text, str))
    return Told(captions=captions, split=split, category=category, origin=origin or url)
