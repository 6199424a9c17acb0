"""Videos and pictures that were uploaded: kept by their content, checked before they are used."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Upload:
    """A video or picture that can be edited, and what is known of it."""

    path: Path
    """Where it lies now: in the folder of uploads, under the digest of its content."""
    name: str
    """As the user called it, without folders."""
    width: int
    height: int
    """In pixels."""
    frames: int
    fps: float
    seconds: float
    sound: bool
    notes: tuple[str, ...]
    """What is unusual about the file, in words."""


class Uploads:
    """The folder of uploaded files."""

    def __init__(self, folder: Path, limit: int) -> None:
        """`limit` is the largest size of a file in bytes."""
        ...

    def keep(self, file: Path, name: str) -> Upload:
        """Copy a video or picture into the folder. Raises `InputError`, in a sentence without the server's
        paths, for one that is too large or cannot be read."""
        ...

    def keep_mask(self, png: bytes) -> Path:
        """Keep a mask that was painted. Raises `InputError` for what is no picture."""
        ...

    def remove_others(self, used: Collection[Path]) -> None:
        """Remove what no run names."""
        ...
