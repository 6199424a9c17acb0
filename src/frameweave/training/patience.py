"""When to stop a training: the held-out loss has not fallen for a while."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from frameweave.training.checkpoint import latest

WATCHED = "held_out_noise"


@dataclass(eq=False)
class Patience:
    """Hears of every measurement of the held-out loss; with `most` 0 it never ends."""

    most: int
    losses: dict[int, float] = field(default_factory=dict[int, float])
    """By step."""

    def recall(self, folder: Path, lines: Iterable[Mapping[str, object]]) -> None:
        """What an earlier run measured up to the newest checkpoint of a stage, from the lines of its log."""
        saved = latest(folder) if self.most else None
        until = 0 if saved is None else int(saved.name.rpartition("-")[2])
        for line in lines if until else ():
            step = line.get("step")
            if line.get("stage") == folder.name and isinstance(step, int) and step <= until:
                self.hear(step, line)

    def hear(self, step: int, figures: Mapping[str, object]) -> None:
        """The figures of a step; those without the loss say nothing."""
        if isinstance(loss := figures.get(WATCHED), float | int):
            self.losses[step] = float(loss)

    @property
    def best(self) -> int:
        """The step with the lowest loss."""
        return min(self.losses, key=lambda step: (self.losses[step], step))

    @property
    def ended(self) -> bool:
        """Whether the lowest loss was measured `most` measurements ago, or earlier."""
        if not self.most or not self.losses:
            return False
        return sum(step > self.best for step in self.losses) >= self.most
