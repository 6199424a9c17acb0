"""What every experiment says at its end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from frameweave.cli import console
from frameweave.errors import RunError

if TYPE_CHECKING:
    from frameweave.measuring.experiment import Experimented


def told(done: Experimented) -> None:
    """The result of an experiment. Raises `RunError` when cells failed."""
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
            hint="mend the cause and run the command again, without --overwrite: finished cells are kept",
        )
