"""Desks in tests: jobs on the tiny model, and loops that wait or end where a test wants it."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from threading import Event

import pytest

from frameweave.app.desk import Desk
from frameweave.app.job import JobView
from frameweave.app.options import AppOptions
from frameweave.app.watched import Watched
from frameweave.editing.options import EditOptions

OVER = ("done", "failed", "cancelled", "unfinished")


def app_options(folder: Path, **changes: object) -> AppOptions:
    return AppOptions(runs=folder / "runs", **changes)


def tiny_edit(tiny_folder: Path, **changes: object) -> EditOptions:
    """Two steps on the tiny model by an editor that inverts, anew each time."""
    usual = {
        "model": str(tiny_folder),
        "device": "cpu",
        "editor": "framewise",
        "steps": 2,
        "use_cache": False,
    }
    return EditOptions(**usual | changes)


def over(desk: Desk, job: str, seconds: float = 100) -> JobView:
    """A job when it has come to an end."""
    while True:
        version = desk.version
        view = desk.view(job)
        if view.state in OVER:
            return view
        assert desk.listen(version, seconds) > version, f"nothing has happened in {seconds} s: {view}"


def on_item(monkeypatch: pytest.MonkeyPatch, phase: str, act: Callable[[], object]) -> list[object]:
    """Do something while a loop of that name works at its first item; returns the items it has taken."""
    taken: list[object] = []
    original = Watched.track

    def track(
        self: Watched, items: Iterable[object], what: str, total: int | None = None
    ) -> Iterator[object]:
        def acting() -> Iterator[object]:
            for item in items:
                if phase in what:
                    taken.append(item)
                    if len(taken) == 1:
                        act()
                yield item

        return original(self, acting(), what, total)

    monkeypatch.setattr(Watched, "track", track)
    return taken


class Held:
    """Holds the first job in its loop until `go` is called; `with` waits until it is there."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, phase: str = "sampling") -> None:
        self._there, self._go = Event(), Event()
        on_item(monkeypatch, phase, self._wait)

    def _wait(self) -> None:
        self._there.set()
        assert self._go.wait(60)

    def wait(self) -> None:
        assert self._there.wait(60)

    def go(self) -> None:
        self._go.set()
