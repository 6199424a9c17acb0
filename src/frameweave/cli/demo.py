"""frameweave demo."""

from typing import Annotated

from cyclopts import Parameter

from frameweave.cli import console
from frameweave.editing.options import DemoOptions


def demo(*, options: Annotated[DemoOptions, Parameter(name="*")] = DemoOptions()) -> None:
    """Edit a bundled clip in several ways and write a report.

    Example: `frameweave demo --out runs/demo`, then open `runs/demo/report.html`.
    """
    from frameweave.editing.demo import demo as job  # noqa: PLC0415 - torch must not slow --help

    console.result(report=str(job(options, progress=console.progress())))
