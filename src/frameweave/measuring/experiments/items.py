"""What is edited in an experiment, by name: clips of the Miniature's world, or the lines of a table."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from frameweave.editing.table import check_names, folder_name, read_edits
from frameweave.errors import DataError
from frameweave.runs.atomic import sha256
from frameweave.runs.records import Record

ClipSet = Literal["test", "development", "validation"]
SEEDS: dict[ClipSet, int] = {"test": 20_261, "development": 20_262, "validation": 20_263}
"""Of the sets of the world's clips. Experiments report on the test set: no training and no choice of settings
may see it. Settings are chosen on the development set. What was found by looking at either is measured once
more on the validation set.

Development clips show combinations of attributes that trainings see. The sources of both others show such as
no training sees; what is asked of them may be any."""
_READING = 2  # raised when the same file gives other frames
_DRAWING = 2  # raised when the same index of a set gives another pair
_COLUMNS: dict[str, type] = {"name": str, "source_prompt": str, "negative_prompt": str, "truth": str}


class WorldItem(Record):
    """A clip of one of the world's sets, with what is asked of it."""

    name: str
    world: int
    """The set's seed."""
    index: int
    of: int
    """How many clips the set has."""
    frames: int
    drawing: int = _DRAWING
    changes: int = 1
    """How many attributes are changed at once."""

    @property
    def clip(self) -> str:
        """Several prompts for one clip share it."""
        return self.name

    @property
    def knows_truth(self) -> bool:
        return True

    @property
    def files(self) -> dict[str, Path]:
        """Whose contents count, and not where they lie."""
        return {}

    def facts(self) -> Mapping[str, object]:
        """What else an edit of it depends on."""
        changes = {"changes": self.changes} if self.changes > 1 else {}
        return self.model_dump(exclude={"changes"}) | changes


class TableItem(Record):
    """A line of a table."""

    name: str
    video: str
    prompt: str
    frames: int
    size: int | None
    """Longer side at which it is edited; None is the model's own."""
    source_prompt: str = ""
    negative_prompt: str = ""
    truth: str | None = None

    @property
    def clip(self) -> str:
        """Several prompts for one clip share it."""
        return self.video

    @property
    def knows_truth(self) -> bool:
        return self.truth is not None

    @property
    def files(self) -> dict[str, Path]:
        """Whose contents count, and not where they lie."""
        return {"video": Path(self.video)} | ({"truth": Path(self.truth)} if self.truth else {})

    def facts(self) -> Mapping[str, object]:
        """What else an edit of it depends on; before there was a `fit`, clips were squashed into theirs.

        Keys of cells are made of it, with the negative prompt under its earlier name.
        """
        facts = self.model_dump(exclude={"video", "truth", "negative_prompt"})
        return facts | {"negative": self.negative_prompt, "fit": "padded", "reading": _READING}


Item = WorldItem | TableItem


def set_name(which: ClipSet, count: int, changes: int = 1) -> str:
    """The name of a set of the world's clips and what is asked of them, which every result carries."""
    shown = {
        "test": "sources of held-out combinations",
        "development": "development set, combinations of the trainings",
        "validation": "validation set, sources of held-out combinations",
    }[which]
    asked = f", {changes} attributes changed at once" if changes > 1 else ""
    return f"world, {shown}, seed {SEEDS[which]}, drawing {_DRAWING}, {count} clips{asked}"


def world_items(which: ClipSet, count: int, frames: int, changes: int = 1) -> list[WorldItem]:
    """A set of the world's clips: one prompt a clip; each kind of attribute is changed in turn.

    With several `changes`, 1 to 4, each group of that many kinds.
    """
    return [
        WorldItem(
            name=f"{index:03d}", world=SEEDS[which], index=index, of=count, frames=frames, changes=changes
        )
        for index in range(count)
    ]


def table_items(table: Path, frames: int, size: int | None) -> list[TableItem]:
    """The lines of a table. Raises `DataError` for a bad one, and for videos that are not there."""
    items: list[TableItem] = []
    for number, line in enumerate(read_edits(table, _COLUMNS)):
        name = folder_name(line.get("name") or f"{number:03d}")
        files = {
            column: _there(table, column, line[column]) for column in ("video", "truth") if column in line
        }
        item = {**line, **files, "name": name, "frames": frames, "size": size}
        items.append(TableItem.from_json(item, where=f"{table}: "))
    check_names(table, [item.name for item in items])
    return items


def table_name(table: Path) -> str:
    """How results call a table: its name, and the first digits of its contents."""
    return f"{table.name}, {sha256(table)[:12]}"


def _there(table: Path, column: str, given: str) -> str:
    path = (table.parent / given).absolute()
    if not path.exists():
        raise DataError(f"{table}: the {column} {path} is not there", hint="paths are relative to the table")
    return str(path)
