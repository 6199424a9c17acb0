"""How much memory this machine has."""

import os
from pathlib import Path

_MEMINFO = Path("/proc/meminfo")


def total_memory() -> int:
    """Bytes of this machine's memory."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def free_memory() -> int:
    """Bytes that a new program can have: on Linux as the kernel tells, elsewhere all there is.

    macOS compresses and swaps what other programs do not use, and names no such number.
    """
    if _MEMINFO.is_file():
        for line in _MEMINFO.read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return 1024 * int(line.split()[1])
    return total_memory()
