"""The loop of every engine: tasks begin, outcomes come, and a task whose process died is tried again."""

import operator
from collections.abc import Generator, Iterable, Iterator
from contextlib import AbstractContextManager, closing
from typing import Protocol

from frameweave.errors import InputError
from frameweave.progress import Progress
from frameweave.runs.engines.task import Item, Outcome, Task, plain


class Crew(Protocol):
    """Those who work: this process, its children, or a cluster."""

    def most(self) -> int:
        """How many tasks may be under way."""
        ...

    def begin(self, task: Task) -> None:
        """Let an attempt begin, now or soon."""
        ...

    def ended(self) -> list[Outcome]:
        """What came of attempts that have ended. Waits for one; some are under way."""
        ...


def outcomes_of(
    crew: AbstractContextManager[Crew],
    items: Iterable[Item],
    *,
    retries: int,
    what: str,
    progress: Progress,
) -> Generator[Outcome, None, None]:
    """Outcomes as `Engine.run` promises them. The crew comes for the first and leaves after the last.

    It sees an exception when it has to leave earlier.
    """
    outcomes = _outcomes(crew, tasks_of(items), retries, progress)
    total = operator.length_hint(items, -1)
    with closing(outcomes):
        yield from progress.track(outcomes, what, total if total >= 0 else None)


def _outcomes(
    context: AbstractContextManager[Crew], tasks: Iterator[Task], retries: int, progress: Progress
) -> Generator[Outcome, None, None]:
    under_way = 0
    finished: list[Outcome] = []
    torn: Exception | None = None
    with context as crew:
        while True:
            while torn is None and under_way < crew.most():
                try:
                    task = next(tasks, None)
                except Exception as error:  # kept back until the tasks under way are done
                    torn = error
                    break
                if task is None:
                    break
                crew.begin(task)
                under_way += 1
            yield from finished
            if not under_way:
                break
            finished = []
            for outcome in crew.ended():
                if outcome.failure is not None and outcome.failure.passing(outcome.attempts, retries):
                    progress.note(f"item {outcome.position}: {outcome.failure.message}; once more")
                    crew.begin(Task(outcome.position, outcome.item, attempt=outcome.attempts + 1))
                else:
                    under_way -= 1
                    finished.append(outcome)
    if torn is not None:
        raise torn


def tasks_of(items: Iterable[Item]) -> Iterator[Task]:
    """Number the items, each taken when it is asked for. Raises `InputError` for what is not JSON."""
    for position, item in enumerate(items):
        try:
            task = Task(position, plain(item))
        except (TypeError, ValueError) as error:
            raise InputError(
                f"item {position} is not JSON: {error}", hint="give paths as text, and no arrays"
            ) from error
        yield task
