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

from frameweave.errors import DataError

_NAME = re.compile(r"[a-z0-9_-]{1,80}(\.[a-z0-9]{1,10}){1,2}")
_LARGEST = 2**28  # bytes of a member: 256 MB
_MOST = 1_000_000  # members of a tar


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
    try:
        with tarfile.open(path, "r:") as tar:
            for count, header in enumerate(tar):
                if count >= _MOST:
                    raise DataError(f"{path}: more than {_MOST:,} members", hint="this is no shard")
                if not header.isreg() or not _NAME.fullmatch(header.name) or header.size > _LARGEST:
                    what = "plain file" if not header.isreg() else "name of a shard's member"
                    what = f"at most {_LARGEST >> 20} MB" if header.size > _LARGEST else what
                    raise DataError(
                        f"{path}: member {header.name[:100]!r}, expected a {what}", hint="this is no shard"
                    )
                yield Member(header.name, header.offset_data, header.size)
            if tar.offset > path.stat().st_size:
                raise DataError(f"{path}: cut off in its last member", hint="copy or prepare it again")
    except (tarfile.TarError, OSError, EOFError, ValueError) as error:
        raise DataError(f"{path}: not a whole tar ({error})", hint="copy or prepare it again") from error
