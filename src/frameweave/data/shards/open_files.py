"""Files that are read again and again in any order: some stay open, however many there are."""

import os
import weakref
from functools import lru_cache
from pathlib import Path

MOST_OPEN = 128
"""Of a kind, in each process: systems usually allow 1,024 descriptors, and loaders need some, too."""


class _OpenFile:
    """Closed with its last reference, so that no thread loses it while reading."""

    def __init__(self, path: Path) -> None:
        self.descriptor = os.open(path, os.O_RDONLY)
        weakref.finalize(self, os.close, self.descriptor)


class OpenFiles:
    """Reads at offsets. Of more than `MOST_OPEN` files those are closed that were not read for longest."""

    def __init__(self) -> None:
        self._opened = lru_cache(maxsize=MOST_OPEN)(_OpenFile)

    def read(self, path: Path, size: int, offset: int) -> bytes:
        """At most `size` bytes from `offset`. Raises `OSError` when the file cannot be opened or read."""
        file = self._opened(path)
        return os.pread(file.descriptor, size, offset)
