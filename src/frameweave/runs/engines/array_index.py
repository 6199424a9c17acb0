"""One of many jobs that share the items among them by number, as Slurm's job arrays do."""

import os
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import TypeVar

from frameweave.errors import InputError

T = TypeVar("T")


def part(items: Iterable[T], index: int | None = None, count: int | None = None) -> Iterator[T]:
    """Every `count`-th item from the one numbered `index`: the share of job `index` of `count`, from 0.

    Items are taken lazily and keep their order; all jobs must see them in the same order. Without
    index and count, those of the Slurm job array that we are in, or all items outside of one. Raises
    `InputError` for numbers that do not fit each other.

    >>> [list(part("abcde", index, 2)) for index in range(2)]
    [['a', 'c', 'e'], ['b', 'd']]
    """
    chosen, of = place(index, count, os.environ)
    return islice(iter(items), chosen, None, of)


def in_shards(index: int | None = None, count: int | None = None) -> bool:
    """Whether this is one of several jobs, as told or as Slurm says."""
    return place(index, count, os.environ)[1] > 1


def place(index: int | None, count: int | None, environment: Mapping[str, str]) -> tuple[int, int]:
    """Which job this is, and of how many: as told, else as Slurm's variables say, else the only one.

    >>> slurm = {"SLURM_ARRAY_TASK_ID": "7", "SLURM_ARRAY_TASK_MIN": "5", "SLURM_ARRAY_TASK_COUNT": "4"}
    >>> place(None, None, slurm)
    (2, 4)
    """
    if index is None:
        index, count = _slurm(count, environment)
    elif count is None:
        raise InputError(f"shard index {index} of an unknown number", hint="give --num-shards, too")
    if count < 1 or not 0 <= index < count:
        raise InputError(
            f"shard index {index} of {count}, expected an index from 0 to below the number of shards",
            hint="number the jobs from 0, as --array=0-9 does with --num-shards 10",
        )
    return index, count


def _slurm(count: int | None, environment: Mapping[str, str]) -> tuple[int, int]:
    if "SLURM_ARRAY_TASK_ID" not in environment:
        if count not in (None, 1):
            raise InputError(f"{count} shards, and no index", hint="give --shard-index, too")
        return 0, 1
    task = _number("ID", environment)
    size = _number("COUNT", environment)
    first = _number("MIN", environment, default=0)
    last = _number("MAX", environment, default=first + size - 1)
    if _number("STEP", environment, default=1) != 1 or last - first + 1 != size:
        raise InputError(
            f"a job array of {size} numbers from {first} to {last}, expected one without gaps",
            hint="some of the items would be nobody's: give --shard-index and --num-shards",
        )
    if count not in (None, size):
        raise InputError(
            f"{count} shards in a job array of {size}", hint="give --shard-index, too, or leave both out"
        )
    return task - first, size


def _number(name: str, environment: Mapping[str, str], default: int | None = None) -> int:
    variable = f"SLURM_ARRAY_TASK_{name}"
    text = environment.get(variable)
    if text is None and default is not None:
        return default
    try:
        return int(text or "")
    except ValueError:
        raise InputError(
            f"{variable} is {text!r}, expected a number", hint="give --shard-index and --num-shards"
        ) from None
