"""frameweave grid."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from frameweave.cli import console
from frameweave.cli.experiment import told
from frameweave.measuring.options import GridOptions


def grid(
    table: Path | None = None,
    /,
    *,
    options: Annotated[GridOptions, Parameter(name="*")] = GridOptions(),
) -> None:
    """Edit clips with every editor, without and with adaptors, and measure all of it.

    The same command goes on where an earlier run stopped.

    Example: `frameweave grid --clips 64 --out runs/grid`.

    Parameters
    ----------
    table
        A csv or jsonl file with the columns video and prompt, and perhaps name, source_prompt,
        negative_prompt and truth; default: held-out clips of the Miniature's world.
    """
    from frameweave.measuring.grid import grid as job  # noqa: PLC0415 - torch must not slow --help

    done = job(table, options, progress=console.progress())
    told(done)
