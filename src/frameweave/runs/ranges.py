"""Ranges of settings: numbers that make no sense are refused before any work."""

import math
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any, cast

from frameweave.errors import InputError


@dataclass(frozen=True)
class Range:
    """Finite numbers from `low` to `high`, both among them; with `above`, only what is more than `low`.

    >>> print(Range(1), Range(0, 1), Range(0, above=True), Range(0, 1, above=True), Range(), sep="; ")
    at least 1; 0 to 1; more than 0; more than 0 and at most 1; a finite number
    >>> 0 in Range(0, above=True), math.nan in Range(), math.inf in Range(1), 1 in Range(0, 1)
    (False, False, False, True)
    """

    low: float = -math.inf
    high: float = math.inf
    above: bool = False

    def __contains__(self, value: float) -> bool:
        inside = self.low < value if self.above else self.low <= value
        return inside and value <= self.high and math.isfinite(value)

    def __str__(self) -> str:
        if math.isinf(self.low):
            return "a finite number"
        if math.isinf(self.high):
            return f"{'more than' if self.above else 'at least'} {self.low:g}"
        if self.above:
            return f"more than {self.low:g} and at most {self.high:g}"
        return f"{self.low:g} to {self.high:g}"


ANY = Range()
POSITIVE = Range(0, above=True)
COUNT = Range(1)
NOT_NEGATIVE = Range(0)
SHARE = Range(0, 1)


def check_ranges(settings: Any, ranges: Mapping[str, Range]) -> None:
    """Look at the fields of a dataclass that `ranges` names; those that are None or not there are left out.

    Of a tuple every number is looked at. Raises `InputError` for the first one that lies outside.
    """
    for field in fields(settings):
        expected, value = ranges.get(field.name), getattr(settings, field.name)
        if expected is None or value is None:
            continue
        numbers = cast("tuple[float, ...]", value) if isinstance(value, tuple) else (value,)
        for number in numbers:
            if number not in expected:
                usual = "" if field.default in (None, MISSING) else f", {field.default}"
                raise InputError(
                    f"{field.name} is {number}, expected {expected}",
                    hint=f"leave it out for the default{usual}",
                )
