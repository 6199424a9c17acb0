"""What other packages bring by entry points. One that cannot be used is told in a line, and left out."""

import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Generic, TypeVar

T = TypeVar("T")
_log = logging.getLogger("frameweave")


@dataclass(frozen=True, eq=False)
class Plugin(Generic[T]):
    """A thing of another package."""

    thing: T
    version: str
    """The package's name and version."""


def plugged_in(
    group: str, what: str, own: Collection[str], usable: Callable[[object], T | str]
) -> dict[str, Plugin[T]]:
    """By name, the things of a group of entry points.

    `usable` gives the thing that was imported, or what it is instead, in words. Names in `own` are taken.
    """
    found: dict[str, Plugin[T]] = {}
    for point in sorted(entry_points(group=group)):
        taken = point.name in found or point.name in own
        thing = f"the name of {point.value} is taken" if taken else _thing_or_reason(point, usable)
        if isinstance(thing, str):
            _log.warning("the %s %s is left out: %s", what, point.name, thing)
        else:
            version = "" if point.dist is None else f"{point.dist.name} {point.dist.version}"
            found[point.name] = Plugin(thing, version)
    return found


def _thing_or_reason(point: EntryPoint, usable: Callable[[object], T | str]) -> T | str:
    try:
        thing = usable(point.load())
    except (Exception, SystemExit) as error:  # other people's code: whatever it raises, we go on
        told = " ".join(f"{type(error).__name__}: {error}".split())
        return f"{point.value} cannot be imported ({told})"
    return f"{point.value} is {thing}" if isinstance(thing, str) else thing
