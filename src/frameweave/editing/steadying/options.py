"""Settings of `frameweave steady`. Nothing heavy is imported here, so that `--help` answers at once."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from frameweave.runs.settings import InputPath, Quality, Settings, Share


class SteadyOptions(Settings):
    """Settings of `frameweave steady`."""

    source: InputPath | None = None
    """The video before the edit. It must be given."""
    strength: Share = 1.0
    """How much steadier the result is; 0 leaves the edited video as it is."""
    radius: Annotated[int, Field(ge=1, le=8)] = 2
    """Frames before and after each frame over which the edit is averaged, along the motion of the source."""
    low_pass: Annotated[float, Field(ge=0, le=100)] = 0.0
    """Average only changes that are larger than about so many pixels, and leave the texture of the edit as it
    is: 4 is usual for frames of 512 pixels, 0 averages all."""
    tint: bool = True
    """Whether the tint and contrast of each frame are matched to those of the frames around it."""
    flow: str | None = None
    """Where the motion of the source comes from: dis or farneback (OpenCV), none, the name of another
    package's flow, or a file or folder that holds it; default: dis."""
    mask: InputPath | None = None
    """A mask: a picture or a video, white where the video was edited; elsewhere the result is the source;
    default: all was edited."""
    audio: bool = True
    """Whether the result keeps the edited video's sound; --no-audio leaves it out."""
    crf: Quality | None = None
    """Quality of the video file: lower is better and larger, 0 is lossless, which few players show; default:
    16, which looks like the frames, or 24 in a webm file, which counts otherwise."""
    out: Path | None = None
    """The run folder, or a video such as calm.mp4; default: a new folder, such as runs/steady-0003-edited."""
    overwrite: bool = False
    """Replace an earlier run there. Only files that it wrote are removed."""
    resume: bool = True
    """Keep what the same command has finished there; --no-resume makes it anew."""
