"""What a tar's headers say. Nothing is unpacked, no link is followed."""

import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from io import FileIO
from pathlib import Path, PurePosixPath

from frameweave.errors import DataError

_MOST = 1_000_000
_LONGEST = 2**20  # bytes of one header with its long names: 1 MB
_PACKINGS = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"PK\x03\x04": "zip",
}
# chains of long names and of extended headers make tarfile call itself; numbers may overflow
_BROKEN = (tarfile.TarError, OSError, EOFError, ValueError, OverflowError, RecursionError)


@dataclass(frozen=True, slots=True)
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
    except _BROKEN as error:
        if packing := _packing(path):
            raise DataError(
                f"{path}: packed with {packing}, expected a plain tar", hint=f"unpack it with {packing} first"
            ) from error
        raise DataError(f"{path}: not a tar ({error})", hint="copy it again") from error


def _packing(path: Path) -> str:
    """What packed a file, by how it begins; empty when nothing known did."""
    try:
        with path.open("rb") as file:
            start = file.read(max(map(len, _PACKINGS)))
    except OSError:
        return ""
    return next((name for mark, name in _PACKINGS.items() if start.startswith(mark)), "")


class _HeaderFile(FileIO):
    """A tar of which nothing larger than a header is read."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or not 0 <= size <= _LONGEST:
            raise tarfile.ReadError(f"a header of {size} bytes")
        return super().read(size) or b""


@lru_cache(maxsize=8)
def _known(path: Path, size: int, _changed: int) -> tuple[Header, ...]:
    """Kept from member to member, as long as the file does not change."""
    with _HeaderFile(path) as file, tarfile.open(fileobj=file, mode="r:") as tar:
        return tuple(_read(tar, path, size))


def _read(tar: tarfile.TarFile, path: Path, total: int) -> Iterator[Header]:
    count, whole = 0, True
    while True:
        try:
            member = tar.next()
        except _BROKEN:
            member = None
            if whole:  # else the end is told already
                yield Header("", tar.offset, 0, plain=False, whole=False)
        if member is None:
            return
        tar.members.clear()  # pyright: ignore[reportAttributeAccessIssue] - else tarfile keeps them all
        count += 1
        if count > _MOST:
            raise DataError(f"{path}: more than {_MOST:,} members", hint="split it")
        whole = member.size >= 0 and member.offset_data + member.size <= total
        inside = _inside(member.name)
        plain = inside and member.isreg() and not member.issparse()
        folder = inside and member.isdir()
        yield Header(member.name, member.offset_data, member.size, plain=plain, whole=whole, folder=folder)
        if member.size < 0:  # the next header would lie before this one
            return


def _inside(name: str) -> bool:
    return not name.startswith("/") and ".." not in PurePosixPath(name).parts and "\0" not in name
