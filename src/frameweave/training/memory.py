"""The most memory that this process has used."""

import resource
import sys
from pathlib import Path

import torch

_STATUS = Path("/proc/self/status")


def peak_bytes() -> int:
    """Of GPU memory if there is a GPU, else of this process's memory.

    On Linux the kernel's own mark (VmHWM) is read: `ru_maxrss` of a child begins at its parent's peak.
    """
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    if _STATUS.is_file():
        for line in _STATUS.read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return 1024 * int(line.split()[1])
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, KiB elsewhere
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
