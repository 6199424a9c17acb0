"""Write a file or a folder so that it is either whole or not there.

The work is staged beside the target under a hidden name, flushed to the disk, and renamed once.
A folder gets a manifest with the SHA-256 of every member, written last, so that a reader can
tell a whole folder from a torn one; where it takes the place of another one, files that are not in that
one's manifest stay, since somebody else put them there. When anything fails, the stage is removed and what
stood at the target before is untouched.
"""

import hashlib
import json
import os
import re
import shutil
import time
import uuid
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import cast

MANIFEST = "manifest.json"
_STAGE = re.compile(r"\.[0-9a-f]{8}-(.+)", re.DOTALL)
_STALE = 24 * 3600
"""Seconds without a change after which a stage's writer is taken to be dead; it may be on another machine."""


@contextmanager
def staged(target: Path, *, first_stays: bool = False) -> Generator[Path, None, None]:
    """Yield a path to write to; on success it becomes `target`, otherwise it vanishes.

    With `first_stays`, a whole folder that another process has put there in the meantime stays instead: where
    a folder's name says what is in it, somebody may be reading it, and ours is the same.

    The suffix of `target` is kept, because writers choose formats by it. Raises whatever the
    block or the disk raises (`OSError` with ENOSPC when it is full). Where `target` is a link, what it leads
    to is replaced.
    """
    target = target.resolve() if target.is_symlink() else target
    target.parent.mkdir(parents=True, exist_ok=True)
    stage = target.with_name(f".{uuid.uuid4().hex[:8]}-{target.name}")
    try:
        yield stage
        if stage.is_dir():
            _seal(stage)
        else:
            _finish(stage)
        _replace(stage, target, first_stays)
    except BaseException as error:
        _remove(stage)
        if isinstance(error, OSError) and error.errno and error.filename in (None, str(stage)):
            # a full disk names no file, and nobody knows the stage; a new one, since PyAV's keep their name
            raise OSError(error.errno, os.strerror(error.errno), str(target)) from error
        raise


def write_text(target: Path, text: str) -> None:
    """Write a file of text, which is either whole or not there."""
    with staged(target) as stage:
        stage.write_text(text, encoding="utf-8")


def stage_of(path: Path) -> str | None:
    """The name of what was to stand there when this is a stage, which a killed writer leaves behind.

    >>> stage_of(Path("runs/.0a1b2c3d-run.toml")), stage_of(Path("runs/run.toml"))
    ('run.toml', None)
    """
    found = _STAGE.fullmatch(path.name)
    return found[1] if found else None


def holds_more_than_stages(folder: Path) -> bool:
    """Whether there is anything in a folder besides stages, whether their writers live or not."""
    return any(stage_of(path) is None for path in folder.iterdir())


def clear_stale(folder: Path) -> None:
    """Remove the stages in a folder in which nothing has been written for a day; others may be in use."""
    latest = time.time() - _STALE
    for stage in folder.iterdir() if folder.is_dir() else ():
        if stage_of(stage) is None:
            continue
        with suppress(FileNotFoundError):  # its writer may be done at this moment
            if max(path.lstat().st_mtime for path in (stage, *stage.rglob("*"))) < latest:
                _remove(stage)


def verify(folder: Path) -> list[str]:
    """What is wrong with a folder written by `staged`: one line per missing or changed member."""
    if not (folder / MANIFEST).is_file():
        return [f"{MANIFEST} is missing"]
    digests = _listed(folder)
    if digests is None:
        return [f"{MANIFEST} is damaged"]
    problems: list[str] = []
    for name, digest in digests.items():
        member = folder / name
        if not member.is_file():
            problems.append(f"{name} is missing")
        elif sha256(member) != digest:
            problems.append(f"{name} has changed")
    return problems


def members(folder: Path) -> list[Path]:
    """The files of a folder that `staged` wrote, as its manifest lists them; none without such a list."""
    digests = _listed(folder)
    if digests is None:
        return []
    inside = folder.resolve()
    found = (folder / name for name in digests)
    return [folder / MANIFEST, *(path for path in found if inside in path.resolve().parents)]


def sha256(path: Path) -> str:
    """The file's SHA-256 as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _listed(folder: Path) -> dict[str, str] | None:
    """The manifest's digests by the members' names; None where it is missing or damaged."""
    try:
        found: object = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(found, dict):
        return None
    digests = cast(dict[object, object], found)
    good = all(isinstance(name, str) and isinstance(digest, str) for name, digest in digests.items())
    return cast(dict[str, str], found) if good else None


def _seal(folder: Path) -> None:
    members = sorted(path for path in folder.rglob("*") if path.is_file())
    for member in members:
        _finish(member)
    digests = {member.relative_to(folder).as_posix(): sha256(member) for member in members}
    manifest = folder / MANIFEST
    manifest.write_text(json.dumps(digests, indent=1))
    _flush(manifest)


def _finish(file: Path) -> None:
    """Flush it, and give it the mode of the user's other files: safetensors creates its own with 0600."""
    if not file.stat().st_mode & 0o077:
        other = file.with_name(f"{file.name}-mode")
        other.touch()
        with suppress(OSError):  # not every file system has modes
            file.chmod(other.stat().st_mode)
        other.unlink()
    _flush(file)


def _replace(stage: Path, target: Path, first_stays: bool) -> None:
    while True:
        try:
            stage.replace(target)
            break
        except OSError:  # a folder cannot be renamed over a folder
            if not (stage.is_dir() and target.is_dir()):
                raise
        if first_stays and not verify(target):
            _remove(stage)
            break
        _carry(target, stage)
        aside = stage.with_name(f"{stage.name}-old")
        with suppress(FileNotFoundError):  # another process has just moved it aside
            target.rename(aside)
            shutil.rmtree(aside)
    _flush(target.parent)


def _carry(target: Path, stage: Path) -> None:
    """Put into a stage whatever else than its earlier members lies at its target."""
    own = set(members(target))
    for path in target.rglob("*"):
        there = stage / path.relative_to(target)
        if path in own or (path.is_dir() and not path.is_symlink()) or os.path.lexists(there):
            continue
        there.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(path, there, follow_symlinks=False)
        except OSError:  # not every file system has hard links
            shutil.copy2(path, there, follow_symlinks=False)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
