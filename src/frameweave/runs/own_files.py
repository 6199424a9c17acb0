"""What of a folder a run wrote itself: nothing else is ever removed for it."""

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from frameweave.runs.atomic import members


def remove(folder: Path, names: Iterable[str]) -> None:
    """Remove the files of these names or patterns below a folder, and the folders that are empty then.

    Of a folder that was written as a whole only its listed members go.
    """
    emptied: set[Path] = set()
    for name in names:
        if Path(name).is_absolute() or ".." in Path(name).parts:
            continue  # no run writes there
        for found in [folder / name] if os.path.lexists(folder / name) else list(folder.glob(name)):
            for path in members(found) if found.is_dir() and not found.is_symlink() else [found]:
                path.unlink(missing_ok=True)
                emptied |= {place for place in path.parents if folder in place.parents}
    for place in sorted(emptied, key=lambda place: -len(place.parts)):
        with suppress(OSError):  # what others put there keeps it
            place.rmdir()
