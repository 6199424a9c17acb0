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
    """What `.txt` says (a caption a line), or `.json` where the text says nothing.

    Raises `ValueError` with the file's name when it cannot be read, or is no text or JSON.
    """
    told = Told()
    for suffix, meaning in ((".txt", _told_by_text), (".json", told_by_json)):
        if (found := beside(suffix)) is None:
            continue
        name, content = found
        try:
            if len(content) > LARGEST:
                raise ValueError(f"more than {LARGEST >> 20} MB of captions")
            told = meaning(content)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error
        if captions_of(told.captions):
            break
    return told


def _told_by_text(content: bytes) -> Told:
    return Told(captions=tuple(decoded(content).splitlines()))


def told_by_json(content: bytes) -> Told:
    """From a string, a list, or an object with caption, captions or text; and split, category, origin.

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
    split, category, origin = (
        str(table[name]) if isinstance(table.get(name), str | int) else ""
        for name in ("split", "category", "origin")
    )
    listed = texts if isinstance(texts, list) else [texts]
    captions = tuple(text for text in listed if isinstance(text, str))
    return Told(captions=captions, split=split, category=category, origin=origin)
