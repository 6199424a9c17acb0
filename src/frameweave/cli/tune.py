"""frameweave tune."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from frameweave.cli import console
from frameweave.measuring.options import TuneOptions


def tune(
    adaptor: str,
    table: Path | None = None,
    /,
    *,
    options: Annotated[TuneOptions, Parameter(name="*")] = TuneOptions(),
) -> None:
    """Choose for each editor whether an adaptor's tokens act, and how strongly its LoRA does where.

    Edits clips of a development set, and writes the adaptor with what was best. Every job that takes the new
    adaptor then uses it. The same command goes on where an earlier run stopped.

    Example: `frameweave tune runs/train/adaptor --workers 2`.

    Parameters
    ----------
    adaptor
        The packaged "miniature", or a folder that `frameweave train` wrote.
    table
        A csv or jsonl file as for `frameweave grid`; default: development clips of the Miniature's world.
    """
    from frameweave.measuring.tune import tune as job  # noqa: PLC0415 - torch must not slow --help

    done = job(adaptor, table, options, progress=console.progress())
    console.result(
        adaptor=str(done.adaptor),
        strength_schedules=done.strength_schedules,
        tokens_for=done.tokens_for,
        worths=done.worths,
        seconds=done.seconds,
    )
