"""What a worker is given: a pair with its missing cells, as one JSON text that travels to any machine."""

from dataclasses import dataclass
from pathlib import Path

from frameweave.measuring.experiments.cells import Cell
from frameweave.measuring.experiments.items import TableItem, WorldItem
from frameweave.measuring.experiments.measures import Backbones
from frameweave.models.loading.choice import ModelChoice
from frameweave.runs.records import Record


@dataclass(frozen=True, kw_only=True)
class Loading:
    """How the model is loaded; see `ExperimentOptions`."""

    choice: ModelChoice
    depth_model: str | None
    threads: int


class PairWork(Record):
    """A pair and cells of it."""

    item: WorldItem | TableItem
    made_of: str
    """A digest that tells the pair from another of that name."""
    cells: tuple[Cell, ...]
    flow: str | None = None
    """By which editors find how the source moves."""
    loading: Loading
    backbones: Backbones
    """Of the metrics."""
    run_folder: Path
    cells_folder: Path

    @property
    def scores_folder(self) -> Path:
        """Where scores are kept, by the cells' keys."""
        return self.run_folder / "scores"
