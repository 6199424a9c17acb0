"""frameweave edit."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from frameweave.cli import console
from frameweave.editing.options import EditOptions
from frameweave.errors import InputError


def edit(
    video: Path,
    prompt: str,
    /,
    *more: str,
    options: Annotated[EditOptions, Parameter(name="*")] = EditOptions(),
) -> None:
    """Edit a video by one or several prompts.

    The result keeps the size, the frame times and the sound of the source.

    Examples: `frameweave edit clip.mp4 "a blue car in the snow"`;
    `frameweave edit clip.mp4 "a cartoon of a duck" --editor text2video_zero --steps 50`;
    `frameweave edit clip.mp4 "a red car" "a green car" --editor tokenflow --start 1.5 --end 4`.

    Parameters
    ----------
    video
        An mp4, mov, mkv, webm or gif file, a picture, or a folder of pictures.
    prompt
        What the video shall show.
    more
        Further prompts, each for a result of its own; what they share is computed once.
    """
    if options.compare:
        from frameweave.editing.compare import compare  # noqa: PLC0415 - torch must not slow --help

        if more:
            raise InputError("--compare takes one prompt", hint="compare them one by one")
        console.result(**compare(video, prompt, options, progress=console.progress()))
        return
    from frameweave.editing.edit import edit as job  # noqa: PLC0415

    done = job(video, [prompt, *more], options, progress=console.progress())
    console.result(videos=[str(one.video) for one in done], seconds=done[-1].seconds)
