"""The engine without processes, for debuggers and tests."""

from collections.abc import Generator, Iterable
from dataclasses import dataclass

from frameweave.progress import SILENT, Progress
from frameweave.runs.engines.task import Function, Item, Outcome, Task, attempted, name_of, tasks_of, tracked


@dataclass(frozen=True, kw_only=True)
class Inline:
    """One task after another in this process: a breakpoint works, a crash takes everything down.

    There is no time limit and no memory limit.
    """

    retries: int = 1
    """How often a task is tried again when a process that it guards died."""

    def run(
        self, function: Function, items: Iterable[Item], *, what: str = "items", progress: Progress = SILENT
    ) -> Generator[Outcome, None, None]:
        name_of(function)  # what cannot run elsewhere must not run here
        return tracked(self._outcomes(function, tasks_of(items)), items, what, progress)

    def _outcomes(self, function: Function, tasks: Iterable[Task]) -> Generator[Outcome, None, None]:
        for task in tasks:
            yield attempted(task, function, retries=self.retries)
