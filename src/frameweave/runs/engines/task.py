"""A task: one function applied to one small item, and what came of it.

The function stands at the top of a module, so that other processes find it by name. Items and
results are what JSON can hold: paths and small records travel, frames do not.
"""

import json
import pkgutil
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from frameweave.errors import FrameweaveError, InputError, OutOfMemory

Kind = Literal["raised", "timeout", "crashed", "memory"]
Item = Mapping[str, Any] | str
Function = Callable[[Any], Any]

_LONGEST = 4_000  # characters of a message or a traceback: errors may quote whole arrays


class Stopped(FrameweaveError):
    """A process had to be killed, or died by itself."""

    exit_code = 1

    def __init__(self, message: str, *, kind: Kind = "crashed", hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.kind: Kind = kind


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Why a task has no result."""

    kind: Kind
    """The function raised, took too long, took its process down, or ran out of memory."""
    message: str
    trace: str = ""
    """The traceback of an error that nobody foresaw; empty for a `FrameweaveError`."""

    @classmethod
    def of(cls, error: BaseException) -> "Failure":
        """The failure that an exception stands for."""
        kind: Kind = "raised"
        if isinstance(error, Stopped):
            kind = error.kind
        elif isinstance(error, MemoryError | OutOfMemory):
            kind = "memory"
        if isinstance(error, FrameweaveError):
            return cls(kind=kind, message=str(error)[:_LONGEST])
        message = f"{type(error).__name__}: {error}".removesuffix(": ")[:_LONGEST]
        trace = "".join(traceback.format_exception(error))[-_LONGEST:]
        return cls(kind=kind, message=message, trace=trace)

    def passing(self, attempts: int, retries: int) -> bool:
        """Whether another attempt may help: perhaps the process did not die of this task."""
        return self.kind == "crashed" and attempts <= retries


@dataclass(frozen=True)
class Task:
    """An item, its place among the items, from 0, and the number of the attempt at it, from 1."""

    position: int
    item: Item
    attempt: int = 1


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of one item: a value, or a failure."""

    position: int
    """The item's place among the items, from 0."""
    item: Item
    value: Any = None
    """What the function returned, as JSON holds it: a tuple has become a list."""
    failure: Failure | None = None
    seconds: float
    """Duration of the last attempt."""
    attempts: int
    """1, and one more for each time that its process died."""


def name_of(function: Callable[..., Any]) -> str:
    """The name by which another process imports a function.

    Raises `InputError` when it is not at the top of a module that can be imported.

    >>> name_of(json.dumps)
    'json:dumps'
    """
    module, name = getattr(function, "__module__", ""), getattr(function, "__qualname__", "")
    try:
        found = module != "__main__" and pkgutil.resolve_name(f"{module}:{name}") is function
    except (ImportError, AttributeError, ValueError):
        found = False
    if not found:
        raise InputError(
            f"{module}:{name}: other processes cannot import it, expected a function at the top of a module",
            hint="move it to the top of a module, not the script that is run",
        )
    return f"{module}:{name}"


def plain(value: Any) -> Any:
    """What is left of a value after a journey as JSON. Raises `TypeError` for what JSON cannot hold."""
    return json.loads(json.dumps(value))


def attempted(task: Task, function: Function) -> Outcome:
    """Apply the function to the task's item."""
    started = time.monotonic()
    value, failure = None, None
    try:
        value = plain(function(task.item))
    except (Exception, SystemExit) as error:
        failure = Failure.of(error)
    return Outcome(
        position=task.position,
        item=task.item,
        value=value,
        failure=failure,
        seconds=time.monotonic() - started,
        attempts=task.attempt,
    )
