"""The plan of a data set: every shard and what goes into it, settled before anything is decoded.

A file of JSON lines: a header with the settings and the choice of clips, then a line for each shard,
then one for each clip that the reader passed over. A shard is a function of its own line and the
settings, so any order of work, any engine and any retry give the same bytes.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, RootModel

from frameweave.data.lines import Record, read_records
from frameweave.data.record import ClipRecord, Reader, Skipped
from frameweave.errors import DataError
from frameweave.runs.atomic import staged

PLAN = "plan.jsonl"
UNDIVIDED = "all"
"""The split of clips that are in none."""
FORMAT = 1
PLAN_CHANGED = "copy plan.jsonl again, or prepare anew with --mode overwrite"
_HINT = "prepare the data set anew"


def _of_ours(value: int) -> int:
    if value != FORMAT:
        raise ValueError(f"format {value}, expected {FORMAT}")
    return value


Format = Annotated[int, AfterValidator(_of_ours)]
Values = dict[str, str | int | float]
"""Settings by name."""


class ShardPlan(Record):
    """One shard: its name and its clips, in order."""

    name: str = Field(validation_alias="shard", serialization_alias="shard")
    clips: tuple[ClipRecord, ...]

    @property
    def split(self) -> str:
        return split_of(self.name)

    @property
    def digest(self) -> str:
        """SHA-256 of the line."""
        return hashlib.sha256(self.line(lean=True).encode()).hexdigest()


class Choice(Record):
    """Which clips of which source a plan has, and how they are divided."""

    source: str
    clips_per_shard: int
    """At most."""
    layout: str = "auto"
    split: str = ""
    limit: int | None = None
    subset: int | None = None
    prompts: str = ""
    """SHA-256 of the file of edit prompts; empty without one."""


class Header(Choice):
    """The first line of a plan. Plans of earlier versions kept only the source of a choice."""

    format: Format
    settings: Values
    clips_per_shard: int = 0
    estimator: str = ""
    """SHA-256 of the folder of the depth estimator; empty where it lies in none."""


class _SkippedLine(Record):
    skipped: Skipped


class _Line(RootModel[Header | ShardPlan | _SkippedLine]):
    pass


def split_of(shard: str) -> str:
    """The split that a shard's name begins with."""
    return shard.rsplit("-", 1)[0]


def settings_hash(settings: Mapping[str, str | int | float]) -> str:
    """A short name of everything that decides what a shard holds."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]


def write_plan(
    folder: Path,
    reader: Reader,
    settings: Values,
    choice: Choice,
    *,
    estimator: str = "",
    instead_of: Iterable[Path] = (),
) -> None:
    """Read the source twice, to count and to write: memory does not grow with the number of clips.

    Shards of a split differ by one clip at most. The files that it comes `instead_of` go just before it
    is there: none of an earlier data set is ever beside it. Raises `DataError` when there is no clip to use.
    """
    counts = Counter(item.split or UNDIVIDED for item in reader if isinstance(item, ClipRecord))
    if not counts:
        reasons = Counter(item.reason for item in reader if isinstance(item, Skipped))
        why = ", ".join(f"{count} {reason}" for reason, count in reasons.most_common()) or "nothing found"
        raise DataError(f"{choice.source}: no clip to use ({why})", hint="check the source and its captions")
    with staged(folder / PLAN) as stage, stage.open("w", encoding="utf-8") as file:
        header = Header(format=FORMAT, settings=settings, estimator=estimator, **dict(choice))
        file.write(f"{header.line()}\n")
        for split, count in sorted(counts.items()):
            own = (
                item for item in reader if isinstance(item, ClipRecord) and (item.split or UNDIVIDED) == split
            )
            for plan in planned(own, split, count, choice.clips_per_shard):
                file.write(f"{plan.line(lean=True)}\n")
        for item in reader:
            if isinstance(item, Skipped):
                file.write(f"{_SkippedLine(skipped=item).line()}\n")
        for earlier in instead_of:
            earlier.unlink(missing_ok=True)


def planned(
    clips: Iterable[ClipRecord], split: str, count: int, per_shard: int, *, first: int = 0
) -> Iterator[ShardPlan]:
    """`count` clips in shards of at most `per_shard`, as equal as can be, numbered from `first`."""
    shards = -(-count // per_shard)
    clips = iter(clips)
    for index in range(shards):
        size = (index + 1) * count // shards - index * count // shards
        yield ShardPlan(name=f"{split}-{first + index:06}", clips=tuple(islice(clips, size)))


@dataclass(frozen=True)
class Plan:
    """A plan on the disk, read line by line. Raises `DataError` with the line that is none of a plan's."""

    file: Path
    header: Header

    @classmethod
    def open(cls, folder: Path) -> "Plan":
        """Raises `DataError` when there is none, or it is not one of ours."""
        file = folder / PLAN
        if not file.is_file():
            raise DataError(f"{folder}: no {PLAN} in it", hint="prepare a data set first")
        header = next(read_records(file, Header, hint=_HINT), None)
        if header is None:
            raise DataError(f"{file}: empty", hint=_HINT)
        return cls(file, header)

    @property
    def settings_hash(self) -> str:
        return settings_hash(self.header.settings)

    @property
    def choice(self) -> Choice | None:
        """None in plans of earlier versions."""
        if not self.header.model_fields_set >= Choice.model_fields.keys():
            return None
        return Choice(**{name: getattr(self.header, name) for name in Choice.model_fields})

    def shards(self) -> Iterator[ShardPlan]:
        return (line.root for line in self._lines() if isinstance(line.root, ShardPlan))

    def skipped(self) -> Iterator[Skipped]:
        return (line.root.skipped for line in self._lines() if isinstance(line.root, _SkippedLine))

    def _lines(self) -> Iterator[_Line]:
        return read_records(self.file, _Line, hint=_HINT)

    def extended(self, split: str, clips: list[ClipRecord], per_shard: int) -> None:
        """Add shards for further clips behind those that are planned; these stay as they are."""
        names = [shard.name for shard in self.shards() if shard.name.startswith(f"{split}-")]
        first = 1 + max((int(name.rsplit("-", 1)[1]) for name in names), default=-1)
        plans = planned(clips, split, len(clips), per_shard, first=first)
        self._append(plan.line(lean=True) for plan in plans)

    def passed_over(self, skipped: Iterable[Skipped]) -> None:
        """Add clips that the reader passed over."""
        self._append(_SkippedLine(skipped=item).line() for item in skipped)

    def _append(self, lines: Iterable[str]) -> None:
        with staged(self.file) as stage, stage.open("w", encoding="utf-8") as file:
            file.write(self.file.read_text(encoding="utf-8"))
            file.writelines(f"{line}\n" for line in lines)

    def began_as(self, digest: str) -> bool:
        """Whether the plan, or its beginning before it was extended, has this SHA-256."""
        found = hashlib.sha256()
        with self.file.open("rb") as file:
            for line in file:
                found.update(line)
                if found.hexdigest() == digest:
                    return True
        return False
