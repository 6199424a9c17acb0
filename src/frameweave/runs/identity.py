"""What an input is: its content. Whatever is kept, resumed or counted as finished is known by that.

A name says little: another video may lie under it tomorrow. So inputs are told apart by the SHA-256 of what
they hold. The first look at a file, its size, times and number, saves hashing it twice: the time of the last
change of its entry cannot be set back by programs that copy or touch it.
"""

import hashlib
import json
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from frameweave.errors import InputError
from frameweave.runs.atomic import sha256, write_text
from frameweave.runs.cache_folder import cache_folder

_Look = tuple[str, int, int, int, int]
_FRESH = 2 * 10**9
"""Nanoseconds: a file that was written so lately may be written again without a later time."""
_LARGE = 4 * 2**20
"""Bytes from which on a digest is kept for other processes; smaller files are hashed at once."""
_seen: dict[_Look, str] = {}


def digest(file: Path) -> str:
    """The SHA-256 of a file, taken anew unless the first look finds it as it was. Raises `OSError`."""
    look = _look(file)
    if look in _seen:
        return _seen[look]
    found = _kept(look) if look[1] >= _LARGE else None
    if found is None:
        found = sha256(file)
        settled = time.time_ns() - max(look[2:4]) > _FRESH and look == _look(file)
        if not settled:
            return found
        if look[1] >= _LARGE:
            _keep(look, found)
    _seen[look] = found
    return found


def contents(place: Path, members: Iterable[Path] | None = None) -> str:
    """The SHA-256 of a file, or of a folder's members (default: all) with their names."""
    if place.is_file():
        return digest(place)
    total = hashlib.sha256()
    for member in sorted(place.rglob("*") if members is None else members):
        if member.is_file():
            total.update(f"{member.relative_to(place).as_posix()} {digest(member)}\n".encode())
    return total.hexdigest()


@dataclass(frozen=True)
class Input:
    """Something that a run reads: its name among the run's settings, where it lies, what it holds."""

    name: str
    path: Path | None
    """None for a model on a hub."""
    digest: str

    @classmethod
    def of(cls, name: str, path: Path, members: Iterable[Path] | None = None) -> "Input":
        """By the content of a file, or of a folder's members (default: all)."""
        return cls(name, path, contents(path, members))


def check_apart(inputs: Sequence[Input], out: Path) -> None:
    """Raise `InputError` when an input lies in the run folder, or is it: the run writes there."""
    place = out.resolve()
    for one in inputs:
        path = None if one.path is None else one.path.resolve()
        if path is None:
            continue
        if path == place:
            raise InputError(
                f"{one.path}: given both as the {one.name} and as --out", hint="give another --out"
            )
        if place in path.parents:
            raise InputError(f"{one.path}: lies in the run folder {out}", hint="give another --out")


def _look(file: Path) -> _Look:
    found = file.stat()
    return str(file.resolve()), found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino


def _record(look: _Look) -> Path:
    return cache_folder() / "digests" / f"{hashlib.sha256(look[0].encode(errors='replace')).hexdigest()}.json"


def _kept(look: _Look) -> str | None:
    with suppress(OSError, ValueError, RecursionError):
        found = json.loads(_record(look).read_text(encoding="utf-8"))
        if isinstance(found, list) and found[:1] == [list(look[1:])] and isinstance(found[-1], str):
            return found[-1]
    return None


def _keep(look: _Look, found: str) -> None:
    with suppress(OSError):  # where nothing can be kept it is hashed again
        write_text(_record(look), json.dumps([look[1:], found]))
