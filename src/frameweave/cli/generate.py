"""frameweave generate."""

from typing import Annotated

from cyclopts import Parameter

from frameweave.cli import console
from frameweave.editing.options import GenerateOptions


def generate(
    prompt: str, /, *, options: Annotated[GenerateOptions, Parameter(name="*")] = GenerateOptions()
) -> None:
    """Make a clip from a prompt alone.

    Example: `frameweave generate "a red fish in the sky" --frames 8`.

    Parameters
    ----------
    prompt
        What the video shall show.
    """
    from frameweave.editing.edit import generate as job  # noqa: PLC0415 - torch must not slow --help

    done = job(prompt, options, progress=console.progress())
    console.result(video=str(done.video), seconds=done.seconds)
