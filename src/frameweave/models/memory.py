"""Memory: the most that was used; what is tried when it does not suffice, and what is said of it."""

import resource
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from frameweave.errors import OutOfMemory
from frameweave.progress import SILENT, Progress
from frameweave.runs.memory import free_memory

_STATUS, _MARKS = Path("/proc/self/status"), Path("/proc/self/clear_refs")
_TOLD_BY = ("DefaultCPUAllocator", "MPS backend out of memory")


def is_out_of_memory(error: RuntimeError) -> bool:
    """Whether a device's allocator raised this; only CUDA's has a type of its own."""
    return isinstance(error, torch.OutOfMemoryError) or any(name in str(error) for name in _TOLD_BY)


@contextmanager
def memory_for(what: str, *, hint: str) -> Generator[None, None, None]:
    """Raise `OutOfMemory` with what was done and the hint when the block runs out of memory."""
    try:
        yield
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        first = (str(error).strip() or "no details").splitlines()[0]
        raise OutOfMemory(f"out of memory while {what} ({first})", hint=hint) from error


@dataclass
class Chunks:
    """Runs of frames that fit the memory: when they do not, half of them are tried."""

    chunk_size: int
    progress: Progress = field(default=SILENT)
    divisible: bool = True
    """Whether a run may be halved; not when its frames depend on one another."""

    def over(self, frames: int, compute: Callable[[slice], Tensor]) -> Tensor:
        """The parts that `compute` gives for each run, in order, joined.

        Raises the device's out-of-memory error when a single frame, or an indivisible run, does not fit.
        """
        parts: list[Tensor] = []
        start = 0
        while start < frames:
            left = frames - start
            runs = -(-left // self.chunk_size)  # as even as can be: some layers refuse a single frame
            stop = start + -(-left // runs)
            try:
                parts.append(compute(slice(start, stop)))
            except RuntimeError as error:
                if not is_out_of_memory(error) or stop - start == 1 or not self.divisible:
                    raise
                self.chunk_size = (stop - start + 1) // 2
                self.progress.note(f"out of memory: going on with {self.chunk_size} frames at once")
                continue
            start = stop
        return torch.cat(parts)


def _used_gpus() -> range:
    return range(torch.cuda.device_count() if torch.cuda.is_initialized() else 0)


def forget_peak() -> None:
    """From now on `peak_bytes` is the most that is used later, where the system can do so: GPUs, Linux."""
    for gpu in _used_gpus():
        torch.cuda.reset_peak_memory_stats(gpu)
    with suppress(OSError):  # some containers forbid it: the mark of the whole process stays
        if _MARKS.is_file():
            _MARKS.write_text("5", encoding="ascii")  # "reset the peak", see proc(5)


def free_bytes(device: torch.device) -> int:
    """Of a GPU's memory, or of the machine's."""
    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else free_memory()


def peak_bytes() -> int:
    """Of the memory of the GPUs that this process has used, else of its own memory.

    On Linux the kernel's own mark (VmHWM) is read: `ru_maxrss` of a child begins at its parent's peak.
    """
    if on_gpus := sum(torch.cuda.max_memory_allocated(gpu) for gpu in _used_gpus()):
        return on_gpus
    if _STATUS.is_file():
        for line in _STATUS.read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return 1024 * int(line.split()[1])
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, KiB elsewhere
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
