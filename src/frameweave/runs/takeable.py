"""Whether a run may go into a folder: it is new, empty, or a run folder, and can be written."""

import os
import re
from pathlib import Path

from frameweave.errors import FrameweaveError, InputError, RunError
from frameweave.runs.atomic import stage_of
from frameweave.runs.lock import LOCK_FILE
from frameweave.runs.run_file import RUN_FILE, RunRecord, read_run

_OF_FILES = re.compile(
    r"\.(mp4|mov|mkv|webm|gif|avi|m4v|mpe?g|ts|png|jpe?g|webp|bmp|tiff?|html|jsonl?|csv|toml|tar|zip|safetensors)",
    re.IGNORECASE,
)


def check_folder_name(folder: Path) -> None:
    """Raise `InputError` for the name of a file, such as red.mp4, where a folder is to be made."""
    if _OF_FILES.fullmatch(folder.suffix) and not folder.exists():
        raise InputError(f"{folder}: named as a file, expected a folder", hint="leave out the suffix")


def check_takeable(folder: Path) -> RunRecord | None:
    """What the run in a folder wrote of itself; None where it is new or empty.

    Raises `RunError` for anything else, and for a folder that cannot be written.
    """
    check_writable(folder)
    if (folder / RUN_FILE).is_file():
        try:
            return read_run(folder)
        except FrameweaveError as error:
            hint = "mend or remove that file, or give another --out"
            raise RunError(str(error.args[0]), hint=hint) from error
    others = folder.iterdir() if folder.is_dir() else ()
    if any(path.name != LOCK_FILE and stage_of(path) is None for path in others):
        raise RunError(f"{folder}: not empty, and not a run folder", hint="give another --out")
    return None


def check_writable(folder: Path) -> None:
    """Raise `RunError` for a file, and for what cannot be written or made."""
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    if not there.is_dir():
        raise RunError(f"{there}: a file, expected a folder", hint="give another --out")
    if not os.access(there, os.W_OK):
        raise RunError(f"{there}: cannot be written", hint="give another --out, or change its rights")
