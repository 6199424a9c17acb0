"""Provisional."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


@contextmanager
def opened(path: str) -> Generator[Path | IO[bytes], None, None]:
    yield Path(path)
