"""What lies where in a study's folder, and reading its design back."""

import json
from pathlib import Path

from frameweave.errors import DataError, InputError
from frameweave.runs.atomic import staged
from frameweave.study.design import Design

DESIGN, MEDIA, SECRET, ANSWERS = "design.json", "media", "secret", "answers.sqlite"


def read_design(folder: Path) -> Design:
    """The design of a study's folder. Raises `DataError` when there is none, or a video is missing."""
    file = folder / DESIGN
    try:
        design = Design.of_table(json.loads(file.read_text(encoding="utf-8")), where="design")
    except (OSError, ValueError, TypeError, InputError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        hint = "build one with `frameweave study new`"
        raise DataError(f"{file}: no study ({reason})", hint=hint) from error
    for pair in (*design.pairs, *design.obvious):
        for name in (*pair.media, *([pair.source] if pair.source else [])):
            if not (folder / MEDIA / name).is_file():
                raise DataError(f"{folder / MEDIA / name}: missing", hint="build the study again")
    return design


def write_design(folder: Path, design: Design) -> None:
    """Write it beside its videos, as the last thing: a study that was stopped while it was built is none."""
    with staged(folder / DESIGN) as stage:
        stage.write_text(design.model_dump_json(indent=1), encoding="utf-8")
