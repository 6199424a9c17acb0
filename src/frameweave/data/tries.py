"""How many clips gave nothing: over the whole data set, where a clip that was tried again counts once."""

from pathlib import Path

from frameweave.data.plan import Plan
from frameweave.data.shards.seal import made_in


class LastTries:
    """Counts the clips of shards as these are finished. Of each clip the last try that is planned counts,
    so that one whose next try is still to be made is no failure.
    """

    def __init__(self, plan: Plan) -> None:
        self._folder: Path = plan.file.parent
        self._shard_of = {clip.id: shard.name for shard in plan.shards() for clip in shard.clips}
        self.clips = 0
        """Clips whose last try is made."""
        self.failed = 0
        """Those of them that gave no group."""

    @property
    def complete(self) -> bool:
        """Whether every clip's last try is made."""
        return self.clips == len(self._shard_of)

    def count(self, shard: str) -> None:
        """Count the clips of a finished shard, which is given once."""
        for made in made_in(self._folder, shard):
            if self._shard_of[made.clip] == shard:
                self.clips += 1
                self.failed += bool(made.reason)
