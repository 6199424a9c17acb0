"""Answers that were paid for, kept for ever: a file of JSON lines that is only appended to.

A line counts once it is whole. What a killed run left torn at the end is cut off before the next
line is written. Several processes may share the file; each sees what the others have written.
"""

import fcntl
import json
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Literal

from pydantic import ValidationError

from frameweave.data.captions.edit_prompt import EditPrompt
from frameweave.data.lines import Record
from frameweave.errors import RunError

FILE = "captions.jsonl"


class Answer(Record):
    """What came of asking about one clip's captions."""

    edits: tuple[EditPrompt, ...] = ()
    failed: Literal["", "refused", "nonsense", "rejected", "no_answer", "cut", "budget"] = ""
    """Why there are no edits. The model would not, or wrote nothing of use: these are kept. The endpoint
    would not have the captions, gave nothing, the answer reached a limit, or there is no money left:
    these are not."""
    detail: str = ""
    """The endpoint's own words."""

    @property
    def lasting(self) -> bool:
        """Whether asking again would give the same."""
        return self.failed in ("", "refused", "nonsense")


class _Line(Record):
    key: str
    edits: tuple[EditPrompt, ...]
    failed: Literal["", "refused", "nonsense"]


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

    def get(self, key: str, *, retry_failed: bool = False) -> Answer | None:
        """The answer that saves asking, also when another process has just written it.

        With `retry_failed` a kept failure saves nothing. Raises `RunError` as `put` does.
        """
        if not self._path.exists():
            return None
        with self._explained(), self._path.open("rb") as file:
            self._catch_up(file)
            start, length = self._places.get(key, (0, 0))
            file.seek(start)
            line = _line(file.read(length))
        if line is None or line.key != key or (line.failed and retry_failed):
            return None
        return Answer(edits=line.edits, failed=line.failed)

    def put(self, key: str, answer: Answer) -> None:
        """Append an answer; it is on the disk when this returns. Raises `RunError` when that fails."""
        table = {"key": key} | answer.model_dump(mode="json", include={"edits", "failed"})
        with self._explained(), self._path.open("ab+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # until it is closed
            self._catch_up(file)
            file.truncate(self._read)
            file.write(f"{json.dumps(table, ensure_ascii=False)}\n".encode())
            file.flush()
            os.fsync(file.fileno())

    def _catch_up(self, file: IO[bytes]) -> None:
        if os.fstat(file.fileno()).st_size < self._read:  # someone emptied it
            self._places, self._read = {}, 0
        file.seek(self._read)
        while (line := file.readline()).endswith(b"\n"):
            if (found := _line(line)) is not None:
                self._places[found.key] = (self._read, len(line))
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


def _line(content: bytes) -> _Line | None:
    """None for a line that is not one of ours."""
    try:
        line = _Line.model_validate_json(content)
    except ValidationError:
        return None
    return line if bool(line.edits) != bool(line.failed) else None
