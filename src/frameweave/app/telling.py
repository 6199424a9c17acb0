"""Errors as the app tells them: in a sentence, and without the folders of this machine."""

import re

from frameweave.errors import FrameweaveError, explained

_FOLDERS = re.compile(r"(?<![\w:/.])(?:~|\.\.?)?/(?:[^\s/:;,'\"()]+/)+(?=[^\s/'\"()])")
"""The folders of a path that begins at the root, at home or here; not of an address."""
_FAULT = "this is a fault of the program: please report it with log.jsonl of the run's folder"


def told(error: Exception) -> tuple[str, str]:
    """Why a job failed, and what to do about it."""
    message, hint = explained(error)
    if not isinstance(error, FrameweaveError | OSError):
        hint = _FAULT
    return without_folders(message), without_folders(hint)


def without_folders(text: str) -> str:
    """A text with files by their names alone.

    >>> without_folders("/srv/me/runs/uploads/a.mp4: not a video (see https://x.example/a/b, 1/2)")
    'a.mp4: not a video (see https://x.example/a/b, 1/2)'
    """
    return _FOLDERS.sub("", text)
