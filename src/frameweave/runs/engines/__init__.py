"""Work over many items: in this process, in local processes, on a Ray cluster, in a job array.

One function is applied to every item (`Engine.run`); the results are the same wherever it runs.
`Guarded` keeps native code in a process of its own. Nothing here imports torch.
"""

from frameweave.runs.engines.array_index import in_shards, part
from frameweave.runs.engines.base import Engine, engine_of
from frameweave.runs.engines.guard import Guarded
from frameweave.runs.engines.options import EngineOptions
from frameweave.runs.engines.task import Failure, Outcome, Stopped

__all__ = [
    "Engine",
    "EngineOptions",
    "Failure",
    "Guarded",
    "Outcome",
    "Stopped",
    "engine_of",
    "in_shards",
    "part",
]
