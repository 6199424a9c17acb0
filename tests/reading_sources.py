"""What the tests of all readers ask of a source."""

from pathlib import Path
from typing import Any

from frameweave.data.record import ClipRecord, Reader, Skipped
from frameweave.data.sources.detect import read_source


def taken(source: Path | str, **how: Any) -> list[ClipRecord]:
    """The clips that can be used."""
    return [item for item in read_source(str(source), **how) if isinstance(item, ClipRecord)]


def lost(source: Path | str | Reader) -> list[tuple[str, str]]:
    """Ids and reasons of the others."""
    reader = read_source(str(source)) if isinstance(source, Path | str) else source
    return [(item.id, item.reason) for item in reader if isinstance(item, Skipped)]
