"""What lies where in a study's folder, and reading its design back."""

import json
from pathlib import Path

from frameweave.errors import DataError
from frameweave.study.design import Design

DESIGN, MEDIA, SECRET, ANSWERS = "design.json", "media", "secret", "answers.sqlite"


def read_design(folder: Path) -> Design:
    """The design of a study's folder. Raises `DataError` when there is none, or a video is missing."""
    file = folder / DESIGN
    try:
        design = Design.from_dict(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        hint = "build one with `frameweave study new`"
        raise DataError(f"{file}: no study ({reason})", hint=hint) from error
    for pair in (*design.pairs, *design.obvious):
        for name in (*pair.media, *([pair.source] if pair.source else [])):
            if not (folder / MEDIA / name).is_file():
                raise DataError(f"{folder / MEDIA / name}: missing", hint="build the study again")
    return design
