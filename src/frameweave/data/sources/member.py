"""Where a record's video lies: a file, a folder of pictures, or a member of a tar, which is not unpacked."""

from collections.abc import Generator
from contextlib import contextmanager
from io import BufferedIOBase, BytesIO
from pathlib import Path

from frameweave.data.sources.headers import headers
from frameweave.errors import DataError

MARK = "!"
_LARGEST = 2**30  # bytes of a video inside a tar: 1 GB


@contextmanager
def opened(path: str) -> Generator[Path | BufferedIOBase, None, None]:
    """The file or folder itself, or the bytes of `shard.tar!name.mp4`, which can be sought in.

    Raises `DataError` when the tar has no such member, or it is larger than 1 GB.
    """
    tar, mark, name = path.partition(f".tar{MARK}")
    if not mark:
        yield Path(path)
        return
    file = Path(f"{tar}.tar")
    for header in headers(file):
        if header.name == name and header.plain:
            if header.size > _LARGEST:
                raise DataError(f"{path}: {header.size:,} bytes", hint="unpack it", reason="too_large")
            with file.open("rb") as stream:
                stream.seek(header.offset)
                content = BytesIO(stream.read(header.size))
            yield content
            return
    raise DataError(f"{path}: no such member", hint="read the source again", reason="missing")
