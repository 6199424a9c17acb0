"""frameweave export."""

from typing import Annotated

from cyclopts import Parameter

from frameweave.adaptor.options import ExportOptions
from frameweave.cli import console


def export(
    adaptor: str, /, *, options: Annotated[ExportOptions, Parameter(name="*")] = ExportOptions()
) -> None:
    """Write an adaptor for other programs: diffusers, ComfyUI, A1111.

    Writes the LoRA in every layout and a ComfyUI workflow, and prints a line for the prompt of A1111
    with the loractl extension.

    Example: `frameweave export runs/train/adaptor --out runs/export --sampler dpmpp_2m_karras`.

    Parameters
    ----------
    adaptor
        The packaged "miniature", or a folder that `frameweave train` wrote.
    """
    from frameweave.adaptor.export import export as job  # noqa: PLC0415 - torch must not slow --help

    done = job(adaptor, options, progress=console.progress())
    console.result(files=[str(file) for file in done.files], a1111=done.a1111)
