"""How a long loop tells how far it is, and how it is stopped.

Libraries take a `Progress` and are silent by default.
"""

import time
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from typing import Protocol, TypeVar, runtime_checkable

T = TypeVar("T")


class Cancelled(KeyboardInterrupt):
    """Somebody wants the work to end; a `Progress` raises it between two items of a loop.

    Like Ctrl-C, it passes by whoever catches errors, and what was finished is kept.
    """


@runtime_checkable
class Progress(Protocol):
    """Bars, plain lines or JSON lines: the command line decides."""

    def track(self, items: Iterable[T], what: str, total: int | None = None) -> Iterator[T]:
        """Pass `items` through while showing how many of `total` (default: their length) are done."""
        ...

    def note(self, text: str) -> None:
        """Say one line to a person."""
        ...

    def measure(self, **values: float) -> None:
        """Tell the latest values of named numbers, e.g. losses; shown beside the loop that runs."""
        ...


class _Silent:
    def track(self, items: Iterable[T], what: str, total: int | None = None) -> Iterator[T]:
        yield from items

    def note(self, text: str) -> None:
        pass

    def measure(self, **values: float) -> None:
        pass


SILENT: Progress = _Silent()
"""Says nothing."""


class Timer:
    """How long each part of a work took, in seconds."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def part(self, name: str) -> Generator[None, None, None]:
        start = time.perf_counter()
        yield
        self.seconds[name] = round(self.seconds.get(name, 0.0) + time.perf_counter() - start, 3)
