"""A lock on a run folder: two runs never write into one folder at the same time.

The lock is the kernel's, on the file `.lock` in the folder, so it is gone when its process dies, however it
dies. On network file systems it holds between machines where the server keeps locks: NFS does so as a rule,
others often hold it between the processes of one machine only. Where there are no locks at all, a run goes
on without.
"""

import errno
import json
import os
import socket
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from frameweave.errors import RunError

try:
    import fcntl
except ImportError:  # on Windows
    fcntl = None

LOCK_FILE = ".lock"
_TAKEN = (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES)


@contextmanager
def locked(folder: Path, *, shared: bool = False) -> Generator[None, None, None]:
    """Hold a folder that exists; several holders are let in where all are `shared`, as jobs of one array.

    Raises `RunError` that names the holder when another one is there.
    """
    file = _taken(folder / LOCK_FILE, shared=shared)
    try:
        yield
    finally:
        if not shared:  # others of an array may hold it on
            (folder / LOCK_FILE).unlink(missing_ok=True)
        file.close()


def check_free(folder: Path) -> None:
    """Raise `RunError` when another run holds the folder now; nothing is taken."""
    path = folder / LOCK_FILE
    with suppress(FileNotFoundError), path.open("r+", encoding="utf-8") as file:
        _lock(file, path, shared=False)


def _taken(path: Path, *, shared: bool) -> IO[str]:
    while True:
        file = path.open("a+", encoding="utf-8")
        try:
            if not _lock(file, path, shared=shared):
                return file
            if _is_at(file, path):
                break
        except BaseException:
            file.close()
            raise
        file.close()  # its holder removed it just now: take the new one
    file.seek(0)
    file.truncate()
    since = time.strftime("%Y-%m-%d %H:%M:%S")
    json.dump({"pid": os.getpid(), "host": socket.gethostname(), "since": since}, file)
    file.flush()
    return file


def _lock(file: IO[str], path: Path, *, shared: bool) -> bool:
    """Whether there is a lock now: not every file system has them."""
    if fcntl is None:
        return False
    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in _TAKEN:
            return False
        raise RunError(
            f"{path.parent}: in use by {_holder(path)}",
            hint="wait for it, end it, or give another --out",
        ) from error
    return True


def _is_at(file: IO[str], path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _holder(path: Path) -> str:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return f"process {found['pid']} on {found['host']} since {found['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another run"
