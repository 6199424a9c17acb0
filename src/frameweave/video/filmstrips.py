"""Frames of a video as arrays, and clips for the player of a page: all frames of each in one picture."""

import io
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from frameweave.video import probe, read_frames
from frameweave.video.pages import data_url

Pixels = NDArray[np.uint8]
"""F x H x W x 3."""
_LONGEST = 256  # pixels of a frame's longer side on a page
_COLUMNS = 8
_SMOOTH = Image.Resampling.LANCZOS
_WEBP = {"quality": 80, "method": 2}  # method 4 takes twice as long for a tenth fewer bytes


@dataclass(frozen=True, kw_only=True)
class Filmstrip:
    """All frames of a clip in one WebP, row by row, as a page holds it, and how quickly they are shown."""

    url: str
    frames: int
    columns: int
    width: int
    height: int
    fps: float


@dataclass(frozen=True, kw_only=True)
class Panel:
    """A title, the number of a picture, and a line that stands below it."""

    title: str
    picture: int
    line: str = ""


@dataclass(frozen=True, kw_only=True)
class ShownClip:
    """An edit that the player shows with what it is compared with."""

    editor: str
    gain: float | None
    """None when unknown."""
    prompt: str
    source_prompt: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, eq=False, kw_only=True)
class Shown:
    """What the player is given."""

    clips: tuple[ShownClip, ...] = ()
    pictures: tuple[Filmstrip, ...] = ()
    left_out: int = 0
    """Edits that would have made the page too large."""
    left: str = "without"
    """The title of the panel that is on the left of the wipe at first."""

    @property
    def json(self) -> str:
        """As a script element of a page holds it."""
        told = asdict(self)
        text = json.dumps({name: told[name] for name in ("clips", "pictures", "left")})
        return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def frames_of(video: Path) -> Pixels:
    """All frames of a video. Raises `InputError` when it cannot be read."""
    return np.stack([picture.pixels for picture in read_frames(video)])


def shown_frames(video: Path, size: tuple[int, int], first: int | None = None) -> Pixels:
    """The first frames of a video at the size of another one, whose longer side is 256 pixels at most.

    They are made smaller while they are read: memory holds no large frames.
    """
    scale = min(1.0, _LONGEST / max(size))
    width, height = (max(1, round(side * scale)) for side in size)
    fitted = width, height
    frames: list[Pixels] = []
    for picture in read_frames(video, first=first):
        image = Image.fromarray(picture.pixels)
        frames.append(np.asarray(image if image.size == fitted else image.resize(fitted, _SMOOTH)))
    return np.stack(frames)


def filmstrip(video: Path) -> Filmstrip:
    """A video for the player. Raises `InputError` when it cannot be read."""
    return drawn(frames_of(video), float(probe(video).fps))


def drawn(frames: Pixels, fps: float) -> Filmstrip:
    """Frames side by side; larger ones are scaled down to 256 pixels."""
    count, height, width, _ = frames.shape
    scale = min(1.0, _LONGEST / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    columns = min(count, _COLUMNS)
    sheet = Image.new("RGB", (size[0] * columns, size[1] * -(-count // columns)))
    for number, frame in enumerate(frames):
        picture = Image.fromarray(frame)
        if picture.size != size:
            picture = picture.resize(size, _SMOOTH)
        sheet.paste(picture, (size[0] * (number % columns), size[1] * (number // columns)))
    target = io.BytesIO()
    sheet.save(target, "WEBP", **_WEBP)
    url = data_url(target.getvalue(), ".webp")
    return Filmstrip(url=url, frames=count, columns=columns, width=size[0], height=size[1], fps=fps)


def xt_slice(frames: Pixels, line: float = 0.5) -> Pixels:
    """A row of each frame (0 is the top, 1 the bottom), time going down: F x W x 3."""
    return frames[:, min(int(line * frames.shape[1]), frames.shape[1] - 1)]


def heat(frames: Pixels) -> NDArray[np.float64]:
    """Mean absolute difference of neighbouring frames at each pixel, in [0, 1]: H x W."""
    values = frames.astype(np.float64) / 255
    return (
        np.abs(np.diff(values, axis=0)).mean(axis=(0, 3)) if len(values) > 1 else np.zeros(values.shape[1:3])
    )
