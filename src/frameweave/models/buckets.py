"""The sizes at which SDXL was trained: sides in whole multiples, all of about one area."""

import math

_SHARES = 16
"""Sides are multiples of this share of the square's: 64 of 1024 pixels."""
_LONGEST = 2
"""The longest side, in sides of the square: 2048 of 1024 pixels, beside 512."""


def unit(native: int, multiple: int) -> int:
    """Of what the sides are multiples, where `native` is the square's side; itself one of `multiple`.

    >>> unit(1024, 32)
    64
    """
    return max(1, -(-native // _SHARES // multiple)) * multiple


def bucket(size: tuple[int, int], native: int, multiple: int) -> tuple[int, int]:
    """The training size, as width and height, whose shape is nearest to that of a picture.

    >>> [bucket(size, 1024, 64) for size in ((1280, 720), (480, 640), (100, 100), (9000, 100))]
    [(1344, 768), (896, 1152), (1024, 1024), (2048, 512)]
    """
    sides = range(multiple, _LONGEST * max(native, multiple) + 1, multiple)
    wide = [
        (side, max(1, native * native // side // multiple) * multiple) for side in sides if side >= native
    ]
    known = [*wide, *((height, width) for width, height in wide)]
    shape = math.log(size[0] / size[1])
    return min(
        (one for one in known if _LONGEST * min(one) >= native),
        key=lambda one: abs(math.log(one[0] / one[1]) - shape),
    )


def longer_side(size: tuple[int, int], native: int, multiple: int) -> int:
    """The longer side of a picture that is scaled as a whole to fit into its `bucket`.

    >>> [longer_side(size, 1024, 64) for size in ((1280, 720), (720, 1280), (1280, 800), (64, 64))]
    [1344, 1344, 1228, 1024]
    """
    scale = min(most / side for most, side in zip(bucket(size, native, multiple), size, strict=True))
    return max(1, math.floor(max(size) * scale))
