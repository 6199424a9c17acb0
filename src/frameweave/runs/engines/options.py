"""Settings of the engines, from which the command line's flags are made."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class EngineOptions:
    """Where and how work over many items runs."""

    workers: int | None = None
    """Items at once; default: as many as there are processors. 0 works in this process, without limits."""
    timeout: float | None = None
    """Seconds that one item may take before it is given up; default: no limit."""
    memory_gb: float | None = None
    """Memory that the process of one item may have, in GB of address space; default: no limit."""
    retries: int = 1
    """How often an item is tried again when its process died."""
    ray: bool = False
    """Work with Ray, started on this machine."""
    ray_address: str | None = None
    """Work on the Ray cluster at this address, such as 10.0.0.1:6379, or auto."""
    shard_index: int | None = None
    """Which of several jobs this is, from 0; default: the number in the Slurm job array."""
    num_shards: int | None = None
    """How many jobs share the items; default: the size of the Slurm job array, else 1."""
