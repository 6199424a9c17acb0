"""The engine of one machine: as many processes as it has processors."""

import os
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass, field
from queue import SimpleQueue
from threading import Thread
from typing import Any

from frameweave.progress import SILENT, Progress
from frameweave.runs.engines.flow import outcomes_of
from frameweave.runs.engines.guard import Guarded
from frameweave.runs.engines.task import Function, Item, Outcome, Task, attempted, name_of


def processors() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@dataclass(frozen=True, kw_only=True)
class LocalPool:
    """A pool of child processes, each with one task at a time. A process that dies is replaced.

    Their numeric libraries use one thread. What they print goes to stderr.
    """

    workers: int = field(default_factory=processors)
    timeout: float | None = None
    """Seconds that a task may take, without the start of its process."""
    memory: int | None = None
    """Bytes of address space that a process may have."""
    retries: int = 1
    """How often a task is tried again when its process died."""

    def run(
        self, function: Function, items: Iterable[Item], *, what: str = "items", progress: Progress = SILENT
    ) -> Generator[Outcome, None, None]:
        crew = self._crew(name_of(function))
        return outcomes_of(crew, items, retries=self.retries, what=what, progress=progress)

    @contextmanager
    def _crew(self, name: str) -> Generator["_Workers", None, None]:
        workers = _Workers(
            [Guarded(name, timeout=self.timeout, memory=self.memory) for _ in range(self.workers)]
        )
        try:
            yield workers
        except BaseException:
            workers.kill()
            raise
        finally:
            workers.leave()


class _Workers:
    """Threads that each feed one child. They never hold up the end of the program."""

    def __init__(self, guards: list[Guarded[..., Any]]) -> None:
        self._guards = guards
        self._tasks: SimpleQueue[Task | None] = SimpleQueue()
        self._outcomes: SimpleQueue[Outcome] = SimpleQueue()
        self._threads = [Thread(target=self._work, args=(guard,), daemon=True) for guard in guards]
        for thread in self._threads:
            thread.start()

    def most(self) -> int:
        return len(self._guards)

    def begin(self, task: Task) -> None:
        self._tasks.put(task)

    def ended(self) -> list[Outcome]:
        return [self._outcomes.get()]

    def kill(self) -> None:
        for guard in self._guards:
            guard.kill()

    def leave(self) -> None:
        """Let each thread end its child, after the task under way."""
        for _ in self._threads:
            self._tasks.put(None)
        for thread in self._threads:
            thread.join()

    def _work(self, guard: Guarded[..., Any]) -> None:
        with guard:
            while (task := self._tasks.get()) is not None:
                self._outcomes.put(attempted(task, guard.call))
