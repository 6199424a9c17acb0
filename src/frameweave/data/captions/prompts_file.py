"""Edit prompts on the disk: a file of JSON lines, one for each clip, in the source's order."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from frameweave.data.captions.edit_prompt import ClipPrompts
from frameweave.errors import DataError
from frameweave.runs.atomic import sha256, staged

FILE = "prompts.jsonl"


def write_prompts(path: Path, clips: Iterable[ClipPrompts]) -> None:
    """Whole or not at all; memory does not grow with the number of clips."""
    with staged(path) as stage, stage.open("w", encoding="utf-8", newline="\n") as file:
        for clip in clips:
            file.write(json.dumps(clip.as_dict(), ensure_ascii=False) + "\n")


def read_prompts(path: Path) -> Iterator[ClipPrompts]:
    """Raises `DataError` with file and line where there is no clip's prompts."""
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                yield _clip(line, f"{path}, line {number}")
    except OSError as error:
        raise _unreadable(path, error) from error


def sum_of(path: Path) -> str:
    """The file's SHA-256. Raises `DataError` when it cannot be read."""
    try:
        return sha256(path)
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> DataError:
    return DataError(f"{path}: {error.strerror}", hint="make it with frameweave data caption")


def _clip(line: bytes, where: str) -> ClipPrompts:
    try:
        table: Any = json.loads(line)
        return ClipPrompts.from_dict(table)
    except (ValueError, RecursionError) as error:
        raise DataError(
            f"{where}: not JSON", hint="make the file anew with frameweave data caption"
        ) from error
    except DataError as error:
        raise DataError(f"{where}: {error.args[0]}", hint=error.hint) from error
