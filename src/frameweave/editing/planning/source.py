"""What an edit is planned for: a video, or the size and number of frames of one that is not there yet."""

import re
from dataclasses import dataclass
from pathlib import Path

from frameweave.editing.footage import Footage
from frameweave.editing.options import EditOptions
from frameweave.errors import InputError
from frameweave.progress import Progress
from frameweave.video import probe

_SIZE = re.compile(r"(\d{1,5})\s*[x×*]\s*(\d{1,5})", re.IGNORECASE)


@dataclass(frozen=True)
class Source:
    """The frames to edit."""

    size: tuple[int, int]
    """Width and height in pixels."""
    frames: int


def source_of(text: str, options: EditOptions, progress: Progress) -> Source:
    """Of a path, or of a size such as 1280x720, which needs `options.frames`.

    Raises `InputError` for what is neither, and for a video without a frame to edit.
    """
    path, size = Path(text), _SIZE.fullmatch(text.strip())
    if size is None or path.exists():
        if not path.exists():
            raise InputError(
                f"{text}: no such file, and no size of frames",
                hint="give a video, or a size such as 1280x720",
            )
        info = probe(path)
        footage = Footage(info, options.frames, options.fps, options.start, options.end)
        frames = footage.in_range
        return Source((info.width, info.height), footage.check(progress).edited if frames is None else frames)
    width, height = int(size[1]), int(size[2])
    if not width or not height:
        raise InputError(f"frames of {width} x {height} pixels", hint="give a size such as 1280x720")
    if options.frames is None:
        raise InputError(
            f"a clip of {width} x {height} pixels, and not how many frames", hint="give --frames, e.g. 16"
        )
    return Source((width, height), options.frames)
