"""Work over many items. `Guarded` keeps native code in a process of its own. Nothing here imports torch."""

from frameweave.engine.guard import Guarded
from frameweave.engine.task import Failure, Outcome, Stopped

__all__ = ["Failure", "Guarded", "Outcome", "Stopped"]
