"""Where a record's video lies: a file, a folder of pictures, a member of a tar, or a row of a parquet file.

Nothing is unpacked onto the disk.
"""

import re
from collections.abc import Generator
from contextlib import contextmanager
from io import SEEK_CUR, SEEK_END, SEEK_SET, BufferedIOBase, BufferedReader, FileIO, RawIOBase
from pathlib import Path
from typing import Any

from frameweave.data.sources.embedded import video_in
from frameweave.data.sources.headers import Header, headers
from frameweave.errors import DataError

MARK = "!"
_IN_TAR = re.compile(rf"(.*?\.tar){MARK}(.+)", re.IGNORECASE | re.DOTALL)
_IN_PARQUET = re.compile(rf"(.*?\.parquet){MARK}(.+)/([0-9]{{1,12}})", re.IGNORECASE | re.DOTALL)
_BUFFER = 2**16  # bytes: a decoder asks for a few at a time


@contextmanager
def opened(path: str) -> Generator[Path | BufferedIOBase, None, None]:
    """The file or folder itself, or bytes that can be sought in: `shard.tar!name.mp4`, or
    `table.parquet!column/row`.

    Of a tar only what is asked for is read, so memory does not grow with the member. Raises `DataError`
    when there is no such member or row.
    """
    file, name = parted(path)
    if found := _IN_PARQUET.fullmatch(path):
        yield video_in(file, found[2], int(found[3]))
        return
    if not name:
        yield file
        return
    found = next((header for header in headers(file) if header.name == name and header.plain), None)
    if found is None or not found.whole:
        raise DataError(f"{path}: no such member", hint="read the source again", reason="missing")
    with BufferedReader(_Span(file, found, path), _BUFFER) as video:
        yield video


def parted(path: str) -> tuple[Path, str]:
    """The file, and the name within it when it is a tar or a parquet file.

    >>> parted("a.tar!b/c.mp4"), parted("b/c.mp4")
    ((PosixPath('a.tar'), 'b/c.mp4'), (PosixPath('b/c.mp4'), ''))
    """
    found = _IN_TAR.fullmatch(path) or _IN_PARQUET.fullmatch(path)
    return (Path(found[1]), found[2]) if found else (Path(path), "")


def is_there(path: str) -> bool:
    """Whether there is such a file or folder, or the tar of such a member."""
    try:
        file, member = parted(path)
        return file.is_file() or (not member and file.is_dir())
    except (OSError, ValueError):  # names too long for the file system, or with zeros in them
        return False


class _Span(RawIOBase):
    """The bytes of one member, as a file of their own."""

    def __init__(self, file: Path, header: Header, name: str) -> None:
        super().__init__()
        self.name = name
        self._file, self._start, self._size = FileIO(file), header.offset, header.size
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = SEEK_SET, /) -> int:
        base = {SEEK_SET: 0, SEEK_CUR: self._at, SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise ValueError(f"seek to {base + offset}")
        self._at = base + offset
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any, /) -> int:
        view = memoryview(buffer).cast("B")
        self._file.seek(self._start + self._at)
        content = self._file.read(max(0, min(len(view), self._size - self._at)))
        view[: len(content)] = content
        self._at += len(content)
        return len(content)

    def close(self) -> None:
        self._file.close()
        super().close()
