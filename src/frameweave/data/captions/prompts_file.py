"""Edit prompts on the disk: a file of JSON lines, one for each clip, in the source's order."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from frameweave.data.captions.edit_prompt import ClipPrompts, EditPrompt
from frameweave.data.lines import read_records
from frameweave.data.record import ClipRecord, Reader, Skipped
from frameweave.errors import DataError
from frameweave.runs.atomic import sha256, staged

FILE = "prompts.jsonl"
_HINT = "make it with frameweave data caption"


def write_prompts(path: Path, clips: Iterable[ClipPrompts]) -> None:
    """Whole or not at all; memory does not grow with the number of clips."""
    with staged(path) as stage, stage.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(f"{clip.line(lean=True, sort=False)}\n" for clip in clips)


def read_prompts(path: Path) -> Iterator[ClipPrompts]:
    """Raises `DataError` with file and line where there is no clip's prompts."""
    return read_records(path, ClipPrompts, hint=_HINT)


def sum_of(path: Path) -> str:
    """The file's SHA-256. Raises `DataError` when it cannot be read."""
    try:
        return sha256(path)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}", hint=_HINT) from error


@dataclass(frozen=True)
class Prompted:
    """The clips of a reader, each with its prompts of a file; clips that it does not name have none.

    How many those are is noted at the end. Raises `DataError` when the file cannot be read.
    """

    reader: Reader
    file: Path
    note: Callable[[str], None]

    @cached_property
    def _prompts(self) -> dict[str, tuple[EditPrompt, ...]]:
        return {clip.id: clip.prompts for clip in read_prompts(self.file)}

    def __iter__(self) -> Iterator[ClipRecord | Skipped]:
        missing, clip, without = dict.fromkeys(self._prompts), "", list[str]()
        for item in self.reader:
            found = self._prompts.get(item.id, ())
            if isinstance(item, ClipRecord):
                missing.pop(item.id, None)
                clip = item.id
                without += [] if found else [clip]
            yield item.replaced(prompts=found) if isinstance(item, ClipRecord) and found else item
        if missing and len(missing) == len(self._prompts):
            raise DataError(
                f"{self.file}: prompts for {next(iter(missing))!r} and others, but clips are called {clip!r}",
                hint="caption the source that is prepared, so that the ids are the same",
            )
        if without:
            self.note(
                f"{self.file.name} has no prompts for {len(without)} of the clips, such as {without[0]!r}"
                + (f"; {len(missing)} of its clips are none of these" if missing else "")
            )
