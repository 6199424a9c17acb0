"""Tar files of plain members: written so that the same members give the same bytes, read by offsets.

Only what the headers say is believed: names of a fixed pattern, regular files, bounded sizes.
Members are never unpacked to the disk and never unpickled.
"""

import io
import re
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from frameweave.data.sources.headers import headers
from frameweave.errors import DataError

_NAME = re.compile(r"[a-z0-9_-]{1,80}(\.[a-z0-9]{1,10}){1,2}")
_LARGEST = 2**28  # bytes of a member: 256 MB


class Member(NamedTuple):
    """Where a member's bytes lie."""

    name: str
    offset: int
    size: int


def write_tar(path: Path, members: Iterable[tuple[str, bytes]]) -> list[Member]:
    """Write members in their order, with nothing in it that could differ between two runs.

    Raises `ValueError` for a name that `read_members` would refuse.
    """
    written: list[Member] = []
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for name, content in members:
            if not _NAME.fullmatch(name):
                raise ValueError(f"member name {name!r}")
            header = tarfile.TarInfo(name)
            header.size, header.mode = len(content), 0o644
            written.append(Member(name, tar.offset + tarfile.BLOCKSIZE, len(content)))
            tar.addfile(header, io.BytesIO(content))
    return written


def read_members(path: Path) -> Iterator[Member]:
    """The members of a tar, from its headers alone.

    Raises `DataError` for a torn file, and for a member that is no plain file, is too large or has
    a name that our shards never have (such as one with a folder or `..` in it).
    """
    for header in headers(path):
        if not header.whole:
            raise DataError(f"{path}: cut off in a member", hint="copy or prepare it again")
        expected = ""
        if not _NAME.fullmatch(header.name):
            expected = "a name of a shard's member"
        elif not header.plain:
            expected = "a plain file"
        elif header.size > _LARGEST:
            expected = f"at most {_LARGEST >> 20} MB"
        if expected:
            raise DataError(
                f"{path}: member {header.name[:100]!r}, expected {expected}", hint="this is no shard"
            )
        yield Member(header.name, header.offset, header.size)
