"""What a job says of itself while it works, and how it is stopped: a `Progress` for the desk."""

import time
from collections.abc import Callable, Iterable, Iterator
from threading import Event
from typing import TypeVar

import torch

from frameweave.app.job import Loop
from frameweave.editing.previews import enlarged, three_of
from frameweave.models.seam import Frames
from frameweave.progress import Cancelled
from frameweave.video.clip import picture_of
from frameweave.video.stills import png_of

T = TypeVar("T")
_BETWEEN = 0.4
"""Seconds between two preview pictures at least."""


class Watched:
    """Tells a job's loops, notes, figures and previews; raises `Cancelled` when the job is to stop."""

    def __init__(self, tell: Callable[..., None], stopping: Event) -> None:
        """`tell` takes what has changed of a job, by the names that `JobView` gives it."""
        self._tell, self._stopping = tell, stopping
        self._notes: tuple[str, ...] = ()
        self._not_before = 0.0

    def track(self, items: Iterable[T], what: str, total: int | None = None) -> Iterator[T]:
        length = total if total is not None else len(items) if hasattr(items, "__len__") else None  # pyright: ignore
        start = time.monotonic()
        self.begin(what, length)
        for done, item in enumerate(items, 1):
            yield item
            left = None if length is None else (time.monotonic() - start) / done * max(length - done, 0)
            self._tell(loop=Loop(what, done, length, left))
            self._check()

    def note(self, text: str) -> None:
        self._notes += (text,)
        self._tell(notes=self._notes)

    def measure(self, **values: float) -> None:
        self._tell(figures=values)

    def begin(self, what: str, total: int | None = None) -> None:
        """Something starts that has so many steps, or none that are told."""
        self._tell(loop=Loop(what, 0, total, None))
        self._check()

    def show(self, done: int, frames: Frames) -> None:
        """How an edit looks after a step."""
        self._check()
        if (now := time.monotonic()) >= self._not_before:
            strip = torch.cat(list(enlarged(three_of(frames))), dim=2)
            self._tell(preview=png_of(picture_of(strip)))
            self._not_before = now + _BETWEEN

    def _check(self) -> None:
        if self._stopping.is_set():
            raise Cancelled
