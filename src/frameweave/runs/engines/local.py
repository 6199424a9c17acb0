"""The engine of one machine: as many processes as it has processors."""

import os
from collections.abc import Container, Generator, Iterable
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from socket import socket

from frameweave.progress import SILENT, Progress
from frameweave.runs.engines.child import Child, dismissed
from frameweave.runs.engines.task import (
    Failure,
    Function,
    Item,
    Outcome,
    Supply,
    Task,
    name_of,
    plain,
    tracked,
)


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
        outcomes = self._outcomes(name_of(function), Supply(items), progress)
        return tracked(outcomes, items, what, progress)

    def _outcomes(self, name: str, supply: Supply, progress: Progress) -> Generator[Outcome, None, None]:
        workers = [_Worker(name, self, progress) for _ in range(self.workers)]
        finished: list[Outcome] = []
        try:
            while True:
                for worker in workers:
                    if worker.task is None and (task := supply.take()) is not None:
                        worker.take(task)
                yield from finished
                busy = [worker for worker in workers if worker.task is not None]
                if not busy:
                    break
                answered = wait([end for worker in busy for end in worker.connections()], _patience(busy))
                looks = [worker.look(answered) for worker in busy]
                finished = [outcome for outcome in looks if outcome is not None]
            supply.check()
            dismissed([worker.child for worker in workers if worker.child is not None])
        finally:
            for worker in workers:
                worker.kill()


class _Worker:
    """A place for one task at a time, and the process that works on it."""

    def __init__(self, name: str, pool: LocalPool, progress: Progress) -> None:
        self.task: Task | None = None
        self.child: Child | None = None
        self._name = name
        self._pool = pool
        self._progress = progress
        self._attempts = 0

    def take(self, task: Task) -> None:
        """Begin with a task."""
        self.task = task
        self._attempts = 0
        self._attempt(task)

    def connections(self) -> list[socket]:
        """Where the process of a task under way will answer: one, or none when there is no task."""
        return [self.child.connection] if self.task is not None and self.child is not None else []

    def remaining(self) -> float | None:
        """Seconds that the task may still take; None is no limit."""
        return self.child.remaining() if self.child is not None else None

    def look(self, answered: Container[object]) -> Outcome | None:
        """What came of the task, as soon as it is known."""
        task, child = self.task, self.child
        if task is None or child is None:
            return None
        value, failure = None, None
        try:
            if child.connection in answered:
                reply = child.receive()
            elif child.remaining() == 0:
                raise child.overdue()
            else:
                return None
            if reply is None:
                return None
            if reply.error is not None:
                raise reply.error
            value = plain(reply.value)
        except (Exception, SystemExit) as error:
            failure = Failure.of(error)
            if failure.passing(self._attempts, self._pool.retries):
                self._progress.note(f"item {task.position}: {failure.message}; once more")
                self._attempt(task)
                return None
        self.task = None
        return Outcome.of(task, value, failure, seconds=child.seconds, attempts=self._attempts)

    def kill(self) -> None:
        """End the process at once."""
        if self.child is not None:
            self.child.kill()

    def _attempt(self, task: Task) -> None:
        self._attempts += 1
        if self.child is None or not self.child.alive:
            self.child = Child(self._name, memory=self._pool.memory)
        self.child.begin((task.item,), {}, self._pool.timeout)


def _patience(workers: list[_Worker]) -> float | None:
    limits = [limit for worker in workers if (limit := worker.remaining()) is not None]
    return min(limits, default=None)
