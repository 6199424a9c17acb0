"""Answers that were paid for, kept for ever: a file of JSON lines that is only appended to.

A line counts once it is whole. What a killed run left torn at the end is cut off before the next
line is written. Several processes may share the file; each sees what the others have written.
"""

import fcntl
import json
import os
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from frameweave.data.captions.edit_prompt import EditPrompt
from frameweave.errors import FrameweaveError, RunError

FILE = "captions.jsonl"
FAILURES = ("refused", "nonsense")
_LINE_LIMIT = 2**20  # bytes; no line of ours is longer


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came of asking about one clip's captions."""

    edits: tuple[EditPrompt, ...] = ()
    failed: str = ""
    """One of `FAILURES` where there are no edits: the model would not, or answered nothing of use."""

    def as_dict(self) -> dict[str, Any]:
        return {"edits": [edit.as_dict() for edit in self.edits], "failed": self.failed}


class Cache:
    """Answers by the key of their question; the last one of a key counts."""

    def __init__(self, folder: Path) -> None:
        """Nothing is made in the folder until there is something to keep."""
        self._path = folder / FILE
        self._places: dict[str, tuple[int, int]] = {}
        self._read = 0

    def make_ready(self) -> None:
        """Raises `RunError` when nothing can be kept there, before anything is paid for."""
        with self._explained():
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._path.touch()

    def get(self, key: str) -> Answer | None:
        """The answer, also when another process has just written it. Raises `RunError` as `put` does."""
        if not self._path.exists():
            return None
        with self._explained(), self._path.open("rb") as file:
            self._catch_up(file)
            if key not in self._places:
                return None
            start, length = self._places[key]
            file.seek(start)
            found = _answer(file.read(length))
        return found[1] if found is not None and found[0] == key else None

    def settled(self, key: str, *, retry_failed: bool = False) -> Answer | None:
        """The answer that saves asking: with `retry_failed`, a kept failure does not."""
        kept = self.get(key)
        return None if kept is not None and kept.failed and retry_failed else kept

    def put(self, key: str, answer: Answer) -> None:
        """Append an answer; it is on the disk when this returns. Raises `RunError` when that fails."""
        line = json.dumps({"key": key, **answer.as_dict()}, ensure_ascii=False) + "\n"
        with self._explained(), self._path.open("ab+") as file, _locked(file):
            file.seek(_end_of_lines(file))
            file.truncate()
            file.write(line.encode())
            file.flush()
            os.fsync(file.fileno())

    def _catch_up(self, file: IO[bytes]) -> None:
        if os.fstat(file.fileno()).st_size < self._read:  # someone emptied it
            self._places, self._read = {}, 0
        file.seek(self._read)
        while (line := file.readline(_LINE_LIMIT)).endswith(b"\n") or len(line) == _LINE_LIMIT:
            if (found := _answer(line)) is not None:
                self._places[found[0]] = (self._read, len(line))
            self._read += len(line)

    @contextmanager
    def _explained(self) -> Generator[None, None, None]:
        try:
            yield
        except OSError as error:
            raise RunError(
                f"{self._path}: the answers cannot be kept ({error.strerror})",
                hint="give --cache a folder that can be written",
            ) from error


def _answer(line: bytes) -> tuple[str, Answer] | None:
    """Key and answer of a line; None for a line that is not one of ours."""
    try:
        table: Any = json.loads(line)
        key, edits, failed = table["key"], table["edits"], table["failed"]
        if not isinstance(key, str) or failed not in ("", *FAILURES) or bool(edits) == bool(failed):
            return None
        return key, Answer(edits=tuple(EditPrompt.from_dict(edit) for edit in edits), failed=failed)
    except (ValueError, RecursionError, LookupError, TypeError, FrameweaveError):
        return None


def _end_of_lines(file: IO[bytes]) -> int:
    """Behind the last line feed."""
    end = file.seek(0, os.SEEK_END)
    while end > 0:
        start = max(0, end - 4096)
        file.seek(start)
        feed = file.read(end - start).rfind(b"\n")
        if feed >= 0:
            return start + feed + 1
        end = start
    return 0


@contextmanager
def _locked(file: IO[bytes]) -> Generator[None, None, None]:
    fcntl.flock(file, fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.flock(file, fcntl.LOCK_UN)
