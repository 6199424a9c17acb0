"""Clips with the edit prompts that were made for them."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from frameweave.data.captions.prompts_file import read_prompts
from frameweave.data.record import ClipRecord, Reader, Skipped


@dataclass(frozen=True)
class Prompted:
    """The clips of a reader, each with its prompts of a file; clips that it does not name have none.

    Raises `DataError` when the file cannot be read.
    """

    reader: Reader
    file: Path
    _prompts: dict[str, tuple[dict[str, Any], ...]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        found = {clip.id: tuple(edit.as_dict() for edit in clip.prompts) for clip in read_prompts(self.file)}
        object.__setattr__(self, "_prompts", found)

    def __iter__(self) -> Iterator[ClipRecord | Skipped]:
        for item in self.reader:
            found = self._prompts.get(item.id, ())
            yield replace(item, prompts=found) if isinstance(item, ClipRecord) and found else item
