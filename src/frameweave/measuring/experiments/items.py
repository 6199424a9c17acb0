"""What is edited in an experiment, by name: clips of the Miniature's world, or the lines of a table."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from frameweave.editing.table import EditLine, check_names, folder_name, read_edits
from frameweave.errors import DataError, InputError
from frameweave.measuring.options import ClipSet
from frameweave.models.text.syntax import spoken
from frameweave.runs.atomic import sha256
from frameweave.runs.records import Record
from frameweave.world.scene import ATTRIBUTES, Scenes, sample_scenes
from frameweave.world.strangers import STRANGER_EDITS, stranger_scenes

SEEDS: dict[ClipSet, int] = {
    "test": 20_261,
    "development": 20_262,
    "validation": 20_263,
    "strangers": 20_264,
    "strangers-development": 20_265,
    "strangers-validation": 20_266,
}
"""Of the sets of the world's clips. Experiments report on the test sets, `test` and `strangers`: no training
and no choice of settings may see them. Settings are chosen on the development sets. What was found by looking
at either is measured once more on the validation sets.

Development clips show combinations of attributes that trainings see. The sources of both others show such as
no training sees; what is asked of them may be any. Strangers show what the Miniature never saw, and their
object is never changed."""
STRANGE: frozenset[ClipSet] = frozenset({"strangers", "strangers-development", "strangers-validation"})
"""Sets whose clips the Miniature does not know."""
_READING = 2  # raised when the same file gives other frames
_DRAWING = 2  # raised when the same index of a set gives another pair


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
    def which(self) -> ClipSet:
        """The set that it belongs to."""
        return next(which for which, seed in SEEDS.items() if seed == self.world)

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
        """Several prompts for one clip share it, also where its file has several names."""
        return str(Path(self.video).resolve())

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


class _Line(EditLine):
    truth: str = ""


def set_name(which: ClipSet, count: int, changes: int = 1) -> str:
    """The name of a set of the world's clips and what is asked of them, which every result carries."""
    shown = {
        "test": "sources of held-out combinations",
        "development": "development set, combinations of the trainings",
        "validation": "validation set, sources of held-out combinations",
        "strangers": "strangers, sources of held-out combinations",
        "strangers-development": "strangers' development set, combinations of the trainings",
        "strangers-validation": "strangers' validation set, sources of held-out combinations",
    }[which]
    asked = f", {changes} attributes changed at once" if changes > 1 else ""
    return f"world, {shown}, seed {SEEDS[which]}, drawing {_DRAWING}, {count} clips{asked}"


def scenes_of(which: ClipSet, count: int) -> Scenes:
    """What the clips of a set show."""
    seed = SEEDS[which]
    match which:
        case "strangers":
            return stranger_scenes(count, seed=seed, split="test")
        case "strangers-development":
            return stranger_scenes(count, seed=seed, split="train")
        case "strangers-validation":
            return stranger_scenes(count, seed=seed, split="validation")
        case "development":
            return sample_scenes(count, seed=seed, split="train")
        case "test" | "validation":
            return sample_scenes(count, seed=seed, split="held-out")


def asked_words(which: ClipSet) -> Mapping[str, tuple[str, ...]]:
    """Which attributes the edits of a set change, and to which words."""
    return STRANGER_EDITS if which in STRANGE else ATTRIBUTES


def world_items(which: ClipSet, count: int, frames: int, changes: int = 1) -> list[WorldItem]:
    """A set of the world's clips: one prompt a clip; each kind of attribute is changed in turn.

    With several `changes` each group of that many kinds; raises `InputError` for more than there are.
    """
    if changes > len(kinds := asked_words(which)):
        raise InputError(
            f"{changes} changes at once, expected at most {len(kinds)}: {', '.join(kinds)}",
            hint=f"give --changes {len(kinds)}",
        )
    return [
        WorldItem(
            name=f"{index:03d}", world=SEEDS[which], index=index, of=count, frames=frames, changes=changes
        )
        for index in range(count)
    ]


def table_items(table: Path, frames: int, size: int | None) -> list[TableItem]:
    """The lines of a table. Raises `DataError` for a bad one, and for videos that are not there."""
    items: list[TableItem] = []
    for number, line in enumerate(read_edits(table, _Line)):
        own = {"name": folder_name(line.name or f"{number:03d}"), "frames": frames, "size": size}
        files = {"video": _there(table, "video", line.video)}
        if line.truth:
            files["truth"] = _there(table, "truth", line.truth)
        item = line.model_dump(exclude_unset=True) | files | own
        items.append(TableItem.from_json(item, where=f"{table}: "))
    check_names(table, [item.name for item in items])
    return items


def texts_of(items: Sequence[Item], syntax: str) -> Iterator[tuple[str, str]]:
    """What metrics read of a table's lines, each with what it is; the prompts of the world are short."""
    for item in items:
        if isinstance(item, TableItem):
            yield "prompt", spoken(item.prompt, syntax)
            yield "source prompt", spoken(item.source_prompt, syntax)


def table_name(table: Path) -> str:
    """How results call a table: its name, and the first digits of its contents."""
    return f"{table.name}, {sha256(table)[:12]}"


def _there(table: Path, column: str, given: str) -> str:
    path = (table.parent / given).absolute()
    if not path.exists():
        raise DataError(f"{table}: the {column} {path} is not there", hint="paths are relative to the table")
    return str(path)
