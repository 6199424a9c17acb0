"""Which files of this folder are editors; none is imported for it."""

import pkgutil
from functools import cache
from pathlib import Path

GROUP = "frameweave.editors"
"""The entry points by which other packages bring editors."""
FOLDER = Path(__file__).parent
_COMMON = ("base", "own", "registry", "request", "running")


@cache
def own_names() -> list[str]:
    """The editors of this package."""
    modules = pkgutil.iter_modules([str(FOLDER)])
    return sorted(m.name for m in modules if m.name not in _COMMON and m.name[0] != "_")
