"""Runs that are killed in the middle, without another process."""

from typing import Any

import pytest

from frameweave.editing.keeper import StepKeeper


class Killed(Exception):
    """In place of a signal that nothing survives."""


def kill_after(done_steps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let edits keep every step, and end them by `Killed` when so many are done; `undo` lets them live."""
    original = StepKeeper.after

    def killing(self: StepKeeper, done: int, *args: Any) -> None:
        self.seconds = 0
        original(self, done, *args)
        if done == done_steps:
            raise Killed

    monkeypatch.setattr(StepKeeper, "after", killing)
