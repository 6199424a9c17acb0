"""For how long an endpoint wants to be left alone, and a door that keeps every question back so long."""

import asyncio
import math
import re
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

_UNITS = {"ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def asked_wait(headers: Mapping[str, str], *, now: float | None = None) -> float:
    """Seconds for which the endpoint asks to be left alone; 0 when it does not.

    Reads retry-after-ms, retry-after (seconds or a date; `now` is in seconds since 1970) and the
    x-ratelimit headers, where something has run out.

    >>> asked_wait({"retry-after": "2.5"})
    2.5
    >>> asked_wait({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1m3s"})
    63.0
    """
    after = headers.get("retry-after", "")
    resets = [
        _span(headers.get(f"x-ratelimit-reset-{what}", ""))
        for what in ("requests", "tokens")
        if headers.get(f"x-ratelimit-remaining-{what}", "").strip() == "0"
    ]
    until = _until(after, time.time() if now is None else now)
    return max(_number(headers.get("retry-after-ms", "")) / 1000, _number(after), until, *resets)


class Gate:
    """A door before all questions, which the endpoint can shut for a while. For one event loop."""

    def __init__(self) -> None:
        self._opens = 0.0

    def shut(self, seconds: float) -> None:
        """Let nobody through for so long; a longer time that runs already stays."""
        self._opens = max(self._opens, time.monotonic() + seconds)

    async def passed(self) -> None:
        """Wait until the door is open."""
        while (left := self._opens - time.monotonic()) > 0:
            await asyncio.sleep(left)


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        return 0.0
    return value if math.isfinite(value) and value > 0 else 0.0


def _until(date: str, now: float) -> float:
    try:
        return max(0.0, parsedate_to_datetime(date).timestamp() - now)
    except (ValueError, TypeError, OverflowError, IndexError):
        return 0.0


def _span(text: str) -> float:
    """Such as 1s, 6m0s or 250ms; a bare number is seconds."""
    parts = re.findall(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)", text)
    if parts and "".join(number + unit for number, unit in parts) == text.strip():
        return sum(float(number) * _UNITS[unit] for number, unit in parts)
    return _number(text)
