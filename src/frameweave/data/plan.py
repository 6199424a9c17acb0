"""The plan of a data set: which clips go into which shard, before anything is decoded.

A file of JSON lines: a header with the settings and the choice of clips, then a line for each shard,
then one for each clip that the reader passed over. A shard is a function of its own line and the
settings, so any order of work, any engine and any retry give the same bytes.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from itertools import islice
from pathlib import Path
from typing import Any

from frameweave.data.record import ClipRecord, Reader, Skipped
from frameweave.errors import DataError
from frameweave.runs.atomic import staged

PLAN = "plan.jsonl"
FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class ShardPlan:
    """One shard: its name and its clips, in order."""

    name: str
    clips: tuple[ClipRecord, ...]

    def line(self) -> str:
        table = {"shard": self.name, "clips": [clip.as_dict() for clip in self.clips]}
        return json.dumps(table, ensure_ascii=False, sort_keys=True)

    @property
    def digest(self) -> str:
        """SHA-256 of the line."""
        return hashlib.sha256(self.line().encode()).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Choice:
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


def settings_hash(settings: dict[str, Any]) -> str:
    """A short name of everything that decides what a shard holds."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]


def write_plan(folder: Path, reader: Reader, settings: dict[str, Any], choice: Choice) -> None:
    """Read the source twice, to count and to write: memory does not grow with the number of clips.

    Shards of a split differ by one clip at most. Raises `DataError` when there is no clip to use.
    """
    counts = Counter(item.split or "all" for item in reader if isinstance(item, ClipRecord))
    if not counts:
        reasons = Counter(item.reason for item in reader if isinstance(item, Skipped))
        why = ", ".join(f"{count} {reason}" for reason, count in reasons.most_common()) or "nothing found"
        raise DataError(f"{choice.source}: no clip to use ({why})", hint="check the source and its captions")
    with staged(folder / PLAN) as stage, stage.open("w", encoding="utf-8") as file:
        header = {"format": FORMAT, "settings": settings, **asdict(choice)}
        file.write(json.dumps(header, ensure_ascii=False, sort_keys=True) + "\n")
        for split, count in sorted(counts.items()):
            for plan in planned(_of_split(reader, split), split, count, choice.clips_per_shard):
                file.write(plan.line() + "\n")
        for item in reader:
            if isinstance(item, Skipped):
                file.write(json.dumps({"skipped": asdict(item)}, ensure_ascii=False, sort_keys=True) + "\n")


def _of_split(reader: Reader, split: str) -> Iterator[ClipRecord]:
    return (item for item in reader if isinstance(item, ClipRecord) and (item.split or "all") == split)


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
    """A plan on the disk, read line by line."""

    file: Path
    header: dict[str, Any]

    @classmethod
    def open(cls, folder: Path) -> "Plan":
        """Raises `DataError` when there is none, or it is not one of ours."""
        file = folder / PLAN
        if not file.is_file():
            raise DataError(f"{folder}: no {PLAN} in it", hint="prepare a data set first")
        header = next(cls(file, {}).lines(), {})
        if header.get("format") != FORMAT:
            raise DataError(
                f"{file}: format {header.get('format')!r}, expected {FORMAT}", hint="prepare it anew"
            )
        return cls(file, header)

    @property
    def settings_hash(self) -> str:
        return settings_hash(self.header["settings"])

    @property
    def choice(self) -> Choice | None:
        """None in plans of earlier versions, which kept only the source."""
        names = [field.name for field in fields(Choice)]
        if not self.header.keys() >= set(names):
            return None
        return Choice(**{name: self.header[name] for name in names})

    def lines(self) -> Iterator[dict[str, Any]]:
        """The JSON objects of the file. Raises `DataError` with the line that is none."""
        with self.file.open(encoding="utf-8") as file:
            for number, text in enumerate(file, 1):
                try:
                    table: Any = json.loads(text)
                except json.JSONDecodeError as error:
                    raise DataError(
                        f"{self.file}, line {number}: {error}", hint="prepare the data set anew"
                    ) from error
                yield table

    def shards(self) -> Iterator[ShardPlan]:
        for table in self.lines():
            if "shard" in table:
                clips = tuple(ClipRecord.from_dict(clip) for clip in table["clips"])
                yield ShardPlan(name=table["shard"], clips=clips)

    def skipped(self) -> Iterator[Skipped]:
        for table in self.lines():
            if "skipped" in table:
                yield Skipped(**table["skipped"])

    def extended(self, split: str, clips: list[ClipRecord], per_shard: int) -> None:
        """Add shards for further clips behind those that are planned; these stay as they are."""
        names = [table["shard"] for table in self.lines() if table.get("shard", "").startswith(f"{split}-")]
        first = 1 + max((int(name.rsplit("-", 1)[1]) for name in names), default=-1)
        with staged(self.file) as stage, stage.open("w", encoding="utf-8") as file:
            file.write(self.file.read_text(encoding="utf-8"))
            for plan in planned(clips, split, len(clips), per_shard, first=first):
                file.write(plan.line() + "\n")
