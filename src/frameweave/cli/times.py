"""Times of a video as people write them, and the short names `--from` and `--to` of its range."""

import re

from frameweave.errors import InputError

_NAMES = {"--from": "--start", "--to": "--end"}
_TIME = re.compile(r"(?:(?:(\d+):)?(\d+):)?(\d+(?:\.\d*)?|\.\d+)s?")


def seconds(text: str) -> float:
    """Seconds from 1.5, 1.5s, 1:02.5 or 1:00:02.

    >>> seconds("1.5s"), seconds("1:02.5"), seconds("1:00:02")
    (1.5, 62.5, 3602.0)

    Raises `InputError` for anything else.
    """
    found = _TIME.fullmatch(text.strip())
    if found is None:
        raise InputError(f"time {text!r}", hint="write seconds as 1.5 or 1.5s, or minutes as 1:02.5")
    hours, minutes, rest = found.groups()
    return 3600 * int(hours or 0) + 60 * int(minutes or 0) + float(rest)


def with_range(tokens: tuple[str, ...]) -> list[str]:
    """The command line with its range as `--start` and `--end` in seconds.

    >>> with_range(("edit", "a.mp4", "x", "--from", "1.5s", "--to=1:02"))
    ['edit', 'a.mp4', 'x', '--start=1.5', '--end=62.0']
    """
    found: list[str] = []
    rest = iter(tokens)
    for token in rest:
        flag, equals, value = token.partition("=")
        name = _NAMES.get(flag, flag)
        if name not in _NAMES.values():
            found.append(token)
            continue
        text = value if equals else next(rest, None)
        if text is None:
            raise InputError(f"{flag} without a time", hint=f"write {flag} 1.5")
        found.append(f"{name}={seconds(text)}")
    return found
