"""frameweave edit-many."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from frameweave.cli import console
from frameweave.editing.options import EditManyOptions
from frameweave.errors import RunError


def edit_many(
    table: Path, /, *, options: Annotated[EditManyOptions, Parameter(name="*")] = EditManyOptions()
) -> None:
    """Edit many videos: every line of a table is an edit with a folder of its own.

    The same command goes on where an earlier run stopped.

    Example: `frameweave edit-many edits.csv --editor tokenflow --out runs/edits`.

    Parameters
    ----------
    table
        A csv or jsonl file with the columns video and prompt; and, where a line has its own: name,
        source_prompt, negative_prompt, editor, adaptor, seed, frames, start, end, mask.
    """
    from frameweave.editing.many import edit_many as job  # noqa: PLC0415 - torch must not slow --help

    done = job(table, options, progress=console.progress())
    console.result(done=done.done, earlier=done.earlier, failed=done.failed)
    if done.failed:
        name, reason = next(iter(done.failed.items()))
        raise RunError(
            f"{len(done.failed)} edits failed, the first, {name}: {reason}",
            hint="mend the cause and run the same command again: finished edits are kept",
        )
