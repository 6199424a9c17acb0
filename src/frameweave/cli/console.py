"""What the commands show: bars in a terminal, plain lines in a pipe, JSON lines, or nothing.

Text reaches a terminal through `_Terminal` and `Lines.note` only, which make it harmless.
"""

import json
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar, cast

from rich.console import Console

from frameweave.progress import SILENT, Progress
from frameweave.runs.text import printable

T = TypeVar("T")


class _Terminal(Console):
    """A console that obeys nothing in the text that it is given: names of files and prompts may hold ESC."""

    def print(self, *objects: Any, **how: Any) -> None:
        super().print(*(printable(one) if isinstance(one, str) else one for one in objects), **how)


out = _Terminal(highlight=False, soft_wrap=True, emoji=False)
err = _Terminal(stderr=True, highlight=False, soft_wrap=True, emoji=False)


class Bars:
    """Rich progress bars on standard error, the latest figures beside them."""

    def __init__(self) -> None:
        self._latest: dict[str, float] = {}

    def track(self, items: Iterable[T], what: str, total: int | None = None) -> Iterator[T]:
        from rich import progress as rich_progress
        from rich.markup import escape

        columns = (
            rich_progress.TextColumn("{task.description}"),
            rich_progress.BarColumn(),
            rich_progress.MofNCompleteColumn(),
            rich_progress.TimeElapsedColumn(),
            rich_progress.TimeRemainingColumn(),
            rich_progress.TextColumn("{task.fields[latest]}", style="dim"),
        )
        with rich_progress.Progress(*columns, console=err, transient=True) as bar:
            task = bar.add_task(escape(printable(what)), total=_length(items, total), latest="")
            for item in items:
                yield item
                bar.update(task, advance=1, latest=_figures(self._latest))

    def note(self, text: str) -> None:
        err.print(text, style="dim", markup=False)

    def measure(self, **values: float) -> None:
        self._latest = values


class Lines:
    """One plain line at the end of a loop, and every ten seconds before, with the latest figures."""

    def __init__(self) -> None:
        self._latest: dict[str, float] = {}

    def track(self, items: Iterable[T], what: str, total: int | None = None) -> Iterator[T]:
        length = _length(items, total)
        start = shown = time.monotonic()
        done = 0
        for item in items:
            yield item
            done += 1
            now = time.monotonic()
            if now - shown > 10 and done != length:
                left = f", {(now - start) * (length - done) / done:.0f} s left" if length else ""
                at = f"{what}: {done} of {length or '?'} ({now - start:.0f} s{left})"
                self.note(f"{at}  {_figures(self._latest)}".rstrip())
                shown = now
        self.note(f"{what}: {done} in {time.monotonic() - start:.1f} s")

    def note(self, text: str) -> None:
        print(printable(text), file=sys.stderr, flush=True)

    def measure(self, **values: float) -> None:
        self._latest = values


class JsonLines:
    """One JSON object per event on standard output: {"event": "track" | "note" | "measure", ...}."""

    def track(self, items: Iterable[T], what: str, total: int | None = None) -> Iterator[T]:
        length = _length(items, total)
        for done, item in enumerate(items, 1):
            yield item
            _emit(event="track", what=what, done=done, total=length)

    def note(self, text: str) -> None:
        _emit(event="note", text=text)

    def measure(self, **values: float) -> None:
        _emit(event="measure", **values)


def _figures(values: dict[str, float]) -> str:
    return "  ".join(f"{name.replace('_', ' ')} {value:.4g}" for name, value in values.items())


def _emit(**event: object) -> None:
    print(json.dumps(event), flush=True)


def _length(items: Iterable[T], total: int | None) -> int | None:
    return total if total is not None else len(items) if hasattr(items, "__len__") else None  # pyright: ignore


_mode = {"quiet": False, "json": False}


def choose(*, quiet: bool, json_lines: bool) -> None:
    """Set by the flags --quiet and --json before a command runs."""
    _mode["quiet"], _mode["json"] = quiet, json_lines


def machine() -> bool:
    """Whether a program reads the output."""
    return _mode["json"]


def progress() -> Progress:
    """The progress that suits the flags and the terminal."""
    if _mode["json"]:
        return JsonLines()
    if _mode["quiet"]:
        return SILENT
    return Bars() if err.is_terminal else Lines()


def result(**values: object) -> None:
    """Tell a command's result: a JSON object, or a line for each value that says something."""
    if _mode["json"]:
        _emit(event="result", **values)
    elif not _mode["quiet"]:
        for name, value in values.items():
            if text := in_words(value):
                out.print(f"{name}: {text}", markup=False)


def failure(message: str, *, hint: str, exit_code: int) -> None:
    """Tell why a command ended: the last JSON object on standard output, or one line on standard error."""
    if _mode["json"]:
        _emit(event="error", error=message, hint=hint, exit_code=exit_code)
        return
    line = f"frameweave: {message}; {hint}" if hint else f"frameweave: {message}"
    err.print(line.replace("\n", "\\n"), style="red", markup=False)


def in_words(value: object) -> str:
    """A value as people write it; empty for nothing, and for a list or a table of nothing.

    >>> in_words({"loss": 0.123456789, "kept": True, "why": None}), in_words(("a", "b")), in_words({})
    ('loss 0.123457, kept yes', 'a, b', '')
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, Mapping):
        table = cast("Mapping[object, object]", value)
        return ", ".join(f"{name} {text}" for name, one in table.items() if (text := in_words(one)))
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(filter(None, map(in_words, cast("Sequence[object]", value))))
    return str(value)
