"""Settings of the engines, from which the command line's flags are made."""

from pydantic import model_validator

from frameweave.errors import InputError
from frameweave.runs.settings import Count, NotNegative, Positive, Settings


class EngineOptions(Settings):
    """Where and how work over many items runs."""

    heading = "Processes"

    workers: NotNegative | None = None
    """Items at once; default: as many as there are processors. 0 works in this process, without limits."""
    timeout: Positive | None = None
    """Seconds that one item may take before it is given up; default: no limit."""
    memory_gb: Positive | None = None
    """Memory that the process of one item may have, in GB of address space; default: no limit."""
    retries: NotNegative = 1
    """How often an item is tried again when its process died."""
    ray: bool = False
    """Work with Ray, started on this machine."""
    ray_address: str | None = None
    """Work on the Ray cluster at this address, such as 10.0.0.1:6379, or auto."""
    shard_index: NotNegative | None = None
    """Which of several jobs this is, from 0; default: the number in the Slurm job array."""
    num_shards: Count | None = None
    """How many jobs share the items; default: the size of the Slurm job array, else 1."""

    @model_validator(mode="after")
    def _someone_works(self) -> "EngineOptions":
        if self.workers == 0 and (self.ray or self.ray_address is not None):
            raise InputError("workers is 0, expected at least 1 with Ray", hint="leave --workers out")
        return self
