"""Times of a video as people write them."""

import math
import re

_TIME = re.compile(r"(?:(?:(\d+):)?(\d+):)?(\d+(?:\.\d*)?|\.\d+)s?")


def seconds(value: object) -> object:
    """Seconds from 1.5, 1.5s, 1:02.5 or 1:00:02; what is no text stays as it is.

    >>> seconds("1.5s"), seconds("1:02.5"), seconds("1:00:02"), seconds(4)
    (1.5, 62.5, 3602.0, 4)

    Raises `ValueError` for any other text.
    """
    if isinstance(value, bool) or (isinstance(value, float) and math.isnan(value)):
        raise ValueError("seconds as 1.5 or 1.5s, or minutes as 1:02.5")
    if not isinstance(value, str):
        return value
    found = _TIME.fullmatch(value.strip())
    if found is None:
        raise ValueError("seconds as 1.5 or 1.5s, or minutes as 1:02.5")
    hours, minutes, rest = found.groups()
    return 3600 * int(hours or 0) + 60 * int(minutes or 0) + float(rest)
