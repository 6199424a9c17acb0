"""frameweave edit."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from frameweave.cli import console
from frameweave.jobs.options import EditOptions


def edit(
    video: Path, prompt: str, /, *, options: Annotated[EditOptions, Parameter(name="*")] = EditOptions()
) -> None:
    """Edit a video by a prompt.

    The result keeps the size, the frame times and the sound of the source.

    Examples: `frameweave edit clip.mp4 "a blue car in the snow"`;
    `frameweave edit clip.mp4 "a cartoon of a duck" --editor text2video_zero --steps 50`.

    Parameters
    ----------
    video
        An mp4, mov, mkv, webm or gif file, or a folder of pictures.
    prompt
        What the video shall show.
    """
    from frameweave.jobs.edit import edit as job  # noqa: PLC0415 - torch must not slow --help

    done = job(video, prompt, options, progress=console.progress())
    console.result(video=str(done.video), seconds=done.seconds)
