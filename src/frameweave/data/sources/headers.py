"""What a tar's headers say. Nothing is unpacked, no link is followed."""

import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath

from frameweave.errors import DataError

_MOST = 1_000_000


@dataclass(frozen=True)
class Header:
    """One member. `plain` is whether it is a regular file whose name stays inside the tar."""

    name: str
    offset: int
    size: int
    plain: bool
    whole: bool
    """Whether all of its bytes are there."""
    folder: bool = False


def headers(path: Path) -> tuple[Header, ...]:
    """All members up to the first that cannot be read; a torn end is a member that is not whole.

    Raises `DataError` when the file is no tar, or has more than a million members.
    """
    try:
        about = path.stat()
        return _known(path, about.st_size, about.st_mtime_ns)
    except (tarfile.TarError, OSError, EOFError, ValueError) as error:
        raise DataError(f"{path}: not a tar ({error})", hint="copy it again") from error


@lru_cache(maxsize=8)
def _known(path: Path, size: int, _changed: int) -> tuple[Header, ...]:
    """Kept from member to member, as long as the file does not change."""
    with tarfile.open(path, "r:") as tar:
        return tuple(_read(tar, path, size))


def _read(tar: tarfile.TarFile, path: Path, total: int) -> Iterator[Header]:
    count, whole = 0, True
    while True:
        try:
            member = tar.next()
        except (tarfile.TarError, OSError, EOFError, ValueError):
            if whole:  # else the end is told already
                yield Header("", tar.offset, 0, plain=False, whole=False)
            return
        if member is None:
            return
        count += 1
        if count > _MOST:
            raise DataError(f"{path}: more than {_MOST:,} members", hint="split it")
        whole = member.offset_data + member.size <= total
        plain = member.isreg() and not member.issparse() and _inside(member.name)
        yield Header(
            member.name,
            member.offset_data,
            member.size,
            plain=plain,
            whole=whole,
            folder=member.isdir() and _inside(member.name),
        )


def _inside(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return bool(parts) and not name.startswith("/") and ".." not in parts and "\0" not in name
