"""Patterns that name several files: shards-{0000..0009}.tar, {train,test}/*.tar."""

import glob
import itertools
import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from frameweave.data.sources.member import is_there
from frameweave.errors import DataError

_BRACES = re.compile(r"\{(\d{1,9}\.\.\d{1,9}|[^{}]*,[^{}]*)\}")
_MOST = 100_000


def matches(source: str) -> tuple[Path, ...]:
    """The files and folders that a path or a pattern names, in its order; empty when there are none.

    Raises `DataError` when braces name a file that is not there, or very many files.
    """
    if is_there(source):  # even if there are brackets in its name
        return (Path(source),)
    found: dict[Path, None] = {}
    for name in expanded(source):
        here = _globbed(name) if glob.has_magic(name) else [Path(name)] * is_there(name)
        if not here and name != source:
            raise DataError(f"{name}: no such file", hint=f"check the pattern {source}")
        found |= dict.fromkeys(here)
    return tuple(found)


def expanded(pattern: str) -> Iterator[str]:
    """Every way to choose from its braces, where the last ones change first.

    >>> list(expanded("{train,test}-{08..10}.tar"))[:4]
    ['train-08.tar', 'train-09.tar', 'train-10.tar', 'test-08.tar']

    Raises `DataError` when there are more than 100,000.
    """
    parts = [_choices(part) if place % 2 else [part] for place, part in enumerate(_BRACES.split(pattern))]
    if math.prod(map(len, parts)) > _MOST:
        raise DataError(f"{pattern}: names more than {_MOST:,} files", hint="give their folder")
    return map("".join, itertools.product(*parts))


def _choices(inside: str) -> Sequence[str]:
    if "," in inside:
        return inside.split(",")
    first, last = inside.split("..")
    numbers = range(int(first), int(last) + 1)
    if len(numbers) > _MOST:
        raise DataError(f"{{{inside}}}: more than {_MOST:,} files", hint="give their folder")
    return [f"{number:0{len(first)}}" for number in numbers]


def _globbed(pattern: str) -> list[Path]:
    try:
        return sorted(map(Path, glob.glob(pattern)))  # noqa: PTH207 - pathlib refuses whole paths
    except (OSError, ValueError):
        return []
