"""Settings of the engines, from which the command line's flags are made."""

from pydantic import model_validator

from frameweave.errors import InputError
from frameweave.runs.settings import Count, NotNegative, Positive, Settings


class EngineOptions(Settings):
    """Where and how work over many items runs."""

    heading = "Processes"

    workers: NotNegative | None = None
    """Items worked on at once; default: one for each processor core. 0 works in this process, without limits
    of time and memory."""
    timeout: Positive | None = None
    """Time limit for one item, in seconds; default: no limit."""
    memory_gb: Positive | None = None
    """Memory limit for the process of one item, in GB of address space; default: no limit."""
    retries: NotNegative = 1
    """How often an item is tried again after its process died."""
    ray: bool = False
    """Share the items with Ray, which is started on this machine."""
    ray_address: str | None = None
    """Share the items with the Ray cluster at this address, such as 10.0.0.1:6379, or auto."""
    shard_index: NotNegative | None = None
    """The number of this job among those that share the items, from 0; default: the number in the Slurm job
    array."""
    num_shards: Count | None = None
    """How many jobs share the items; default: the size of the Slurm job array, else 1."""

    @model_validator(mode="after")
    def _someone_works(self) -> "EngineOptions":
        if self.workers == 0 and (self.ray or self.ray_address is not None):
            raise InputError("workers is 0, expected at least 1 with Ray", hint="leave --workers out")
        return self
