"""frameweave verify."""

from dataclasses import asdict
from typing import Annotated

from cyclopts import Parameter

from frameweave.adaptor.options import VerifyOptions
from frameweave.cli import console


def verify(
    adaptor: str, /, *, options: Annotated[VerifyOptions, Parameter(name="*")] = VerifyOptions()
) -> None:
    """Check that an adaptor does the same everywhere: in every layout, and in a stock pipeline.

    Prints the largest difference of each comparison, and fails when one is above its tolerance.

    Example: `frameweave verify runs/train/adaptor --model stable-diffusion-v1-5/stable-diffusion-v1-5`.

    Parameters
    ----------
    adaptor
        The packaged "miniature", or a folder that `frameweave train` or `frameweave export` wrote.
    """
    from frameweave.adaptor.verify import verify as job  # noqa: PLC0415 - torch must not slow --help

    for row in job(adaptor, options, progress=console.progress()):
        console.result(**asdict(row))
