"""Where things are kept that several runs use."""

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple


def cache_folder() -> Path:
    """FRAMEWEAVE_CACHE, or frameweave in the user's cache folder; a user without a home has it in /tmp."""
    own = os.environ.get("FRAMEWEAVE_CACHE")
    if own:
        return Path(own)
    try:
        return Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "frameweave"
    except RuntimeError:  # a user without a home
        return Path(tempfile.gettempdir()) / "frameweave-cache"


class Kept(NamedTuple):
    """Something in a cache: when it was used last, its bytes, and its files in the order in which they go."""

    used: float
    size: int
    files: tuple[Path, ...]


def forget_oldest(kept: Iterable[Kept], most: int, *, newest: Path) -> None:
    """Remove what was used longest ago beyond so many bytes, but never what `newest` belongs to.

    Files that another process removes meanwhile are none any more.
    """
    total = 0
    for _, size, files in sorted(kept, reverse=True):
        total += size
        if total > most and newest not in files:
            for file in files:
                file.unlink(missing_ok=True)


def first_time(what: str) -> bool:
    """Whether this is asked for the first time; where nothing can be kept, it never is."""
    mark = cache_folder() / "told" / what
    try:
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.touch(exist_ok=False)
    except OSError:
        return False
    return True
