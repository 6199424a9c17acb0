"""The engine without processes, for debuggers and tests."""

from collections import deque
from collections.abc import Generator, Iterable
from contextlib import nullcontext
from dataclasses import dataclass

from frameweave.progress import SILENT, Progress
from frameweave.runs.engines.flow import outcomes_of
from frameweave.runs.engines.task import Function, Item, Outcome, Task, attempted, name_of


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
        crew = nullcontext(_Here(function))
        return outcomes_of(crew, items, retries=self.retries, what=what, progress=progress)


class _Here:
    def __init__(self, function: Function) -> None:
        self._function = function
        self._tasks: deque[Task] = deque()

    def most(self) -> int:
        return 1

    def begin(self, task: Task) -> None:
        self._tasks.append(task)

    def ended(self) -> list[Outcome]:
        return [attempted(self._tasks.popleft(), self._function)]
