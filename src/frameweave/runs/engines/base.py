"""What an engine is, and which one the options ask for."""

from collections.abc import Generator, Iterable
from typing import Protocol, runtime_checkable

from frameweave.progress import SILENT, Progress
from frameweave.runs.engines.inline import Inline
from frameweave.runs.engines.local import LocalPool, processors
from frameweave.runs.engines.options import EngineOptions
from frameweave.runs.engines.ray_core import RayCore
from frameweave.runs.engines.task import Function, Item, Outcome


@runtime_checkable
class Engine(Protocol):
    """Applies a function to many items, somewhere."""

    def run(
        self, function: Function, items: Iterable[Item], *, what: str = "items", progress: Progress = SILENT
    ) -> Generator[Outcome, None, None]:
        """Outcomes as they come, one for each item, in any order.

        `function` stands at the top of a module, takes an item (a dict or a string that JSON can
        hold) and returns what JSON can hold. What it raises is an outcome, and so is the death of
        its process after `retries` further attempts: neither stops the others. It may thus run more
        than once for an item, and must do no harm then: write files atomically.

        Items are taken as they are needed, never more than two for each worker ahead of the outcomes.
        Closing the generator, or Ctrl-C, ends all processes at once. `what` names the items for the
        progress. Raises `InputError` for a function or item that cannot travel.
        """
        ...


def engine_of(options: EngineOptions) -> Engine:
    """The engine that the options ask for; it does not know of shards (see `part`)."""
    memory = None if options.memory_gb is None else int(options.memory_gb * 1e9)
    if options.ray or options.ray_address is not None:
        return RayCore(
            address=options.ray_address,
            workers=options.workers,
            timeout=options.timeout,
            memory=memory,
            retries=options.retries,
        )
    if options.workers == 0:
        return Inline(retries=options.retries)
    return LocalPool(
        workers=options.workers or processors(),
        timeout=options.timeout,
        memory=memory,
        retries=options.retries,
    )
