"""How a long loop tells how far it is, and how it is stopped.

Libraries take a `Progress` and are silent by default.
"""

import time
from collections.abc import Generator, Iterable, Iterator, Sequence, Sized
from contextlib import contextmanager
from itertools import accumulate
from typing import Protocol, TypeVar, runtime_checkable

T = TypeVar("T")
_PERCENT = 100


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


class Silent:
    """A `Progress` that says nothing, for others to inherit what they leave out."""

    def track(self, items: Iterable[T], what: str, total: int | None = None) -> Iterator[T]:
        yield from items

    def note(self, text: str) -> None:
        pass

    def measure(self, **values: float) -> None:
        pass


class Notes(Silent):
    """Keeps what is said, for others to say it."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def note(self, text: str) -> None:
        self.texts.append(text)


SILENT: Progress = Silent()
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


class Job:
    """Loops that follow one another as a single one, whose time left is that of all of them.

    `begin` tells the loops to come. What comes before it is shown as it is. Use it in a `with` block: where
    that ends, the bar does.

    >>> class Told:
    ...     def note(self, text): ...
    ...     def measure(self, **values): ...
    ...     def track(self, items, what, total=None):
    ...         for item in items:
    ...             yield item
    ...             done[what] = item + 1
    >>> done = {}
    >>> with Job(Told(), "percent of the edit") as job:
    ...     job.begin([("inverting", 1.0), ("sampling", 3.0)])
    ...     for _ in job.track(range(25), "inverting"): pass
    ...     print(done)
    ...     for _ in job.track(range(25), "sampling"): pass
    {'percent of the edit': 25}
    >>> done
    {'percent of the edit': 100}
    """

    def __init__(self, progress: Progress, what: str) -> None:
        self._progress, self._what = progress, what
        self._bar: Iterator[int] | None = None
        self._left: list[tuple[str, float]] = []
        self._reached, self._shown = 0.0, 0

    def __enter__(self) -> "Job":
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        if self._bar is None:
            return
        if kind is None:
            for _ in self._bar:
                pass
        elif isinstance(self._bar, Generator):
            self._bar.close()

    def begin(self, parts: Sequence[tuple[str, float]]) -> None:
        """The loops to come, in their order: their names, and how long each will take, roughly.

        A loop of another name passes without moving the bar. A loop that is left out is jumped over.
        """
        ends = list(accumulate(seconds for _, seconds in parts))
        whole = ends[-1] if ends and ends[-1] > 0 else 1.0
        self._left = [(name, end / whole) for (name, _), end in zip(parts, ends, strict=True)]
        self._bar = self._progress.track(range(_PERCENT), self._what, _PERCENT)
        next(self._bar)

    def track(self, items: Iterable[T], what: str, total: int | None = None) -> Iterator[T]:
        if self._bar is None:
            yield from self._progress.track(items, what, total)
            return
        length = total if total is not None else len(items) if isinstance(items, Sized) else None
        start, end = self._part(what)
        for done, item in enumerate(items, 1):
            yield item
            self._reach(start + (end - start) * min(1.0, done / length) if length else start)
        self._reach(end)

    def note(self, text: str) -> None:
        self._progress.note(text)

    def measure(self, **values: float) -> None:
        self._progress.measure(**values)

    def _part(self, what: str) -> tuple[float, float]:
        """From where to where the next loop of that name goes, as shares of the whole."""
        at = next((number for number, (name, _) in enumerate(self._left) if name == what), None)
        if at is None:
            return self._reached, self._reached
        start = self._left[at - 1][1] if at else self._reached
        end = self._left[at][1]
        del self._left[: at + 1]
        return start, end

    def _reach(self, share: float) -> None:
        self._reached = max(self._reached, share)
        while self._bar is not None and self._shown < min(_PERCENT - 1, int(self._reached * _PERCENT + 1e-6)):
            next(self._bar)
            self._shown += 1
