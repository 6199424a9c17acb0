"""frameweave ablation."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from frameweave.cli import console
from frameweave.cli.experiment import told
from frameweave.measuring.options import AblationOptions


def ablation(
    table: Path | None = None,
    /,
    *,
    options: Annotated[AblationOptions, Parameter(name="*")] = AblationOptions(),
) -> None:
    """Train adaptors without one of their parts each, edit with all of them, and measure.

    The same command goes on where an earlier run stopped.

    Example: `frameweave ablation --clips 64 --cells runs/grid/cells`.

    Parameters
    ----------
    table
        A csv or jsonl file with the columns video and prompt, and perhaps name, source_prompt,
        negative_prompt and truth; default: held-out clips of the Miniature's world.
    """
    from frameweave.measuring.ablation import ablation as job  # noqa: PLC0415 - torch must not slow --help

    done = job(table, options, progress=console.progress())
    told(done)
