"""frameweave grid."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from frameweave.cli import console
from frameweave.errors import RunError
from frameweave.jobs.grid_options import GridOptions


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
        A csv or jsonl file with the columns video and prompt, and perhaps name, source_prompt, negative and
        truth; default: held-out clips of the Miniature's world.
    """
    from frameweave.jobs.grid import grid as job  # noqa: PLC0415 - torch must not slow --help

    done = job(table, options, progress=console.progress())
    console.result(
        folder=str(done.folder),
        done=done.done,
        earlier=done.earlier,
        failed=done.failed,
        seconds=done.seconds,
    )
    if done.failed:
        name, reason = next(iter(done.failed.items()))
        raise RunError(
            f"{len(done.failed)} cells failed, the first, {name}: {reason}",
            hint="mend the cause and run the same command again: finished cells are kept",
        )
