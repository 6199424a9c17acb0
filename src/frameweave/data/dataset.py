"""A prepared data set as a whole: its index, what was skipped, and whether all of it is there."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ValidationError

from frameweave import __version__
from frameweave.data.lines import Record, parsed
from frameweave.data.plan import FORMAT, PLAN, Format, Plan, Values, split_of
from frameweave.data.record import DUPLICATE
from frameweave.data.shards.seal import (
    Seal,
    Sealed,
    failures,
    made_in,
    read_seal,
    seal_of,
    successes,
)
from frameweave.errors import DataError
from frameweave.runs.atomic import sha256, stage_of, write_text

INDEX = "index.json"
SKIPPED = "skipped.jsonl"
_REPAIRED = "run frameweave data prepare on it again"


@dataclass(frozen=True, kw_only=True)
class Summary:
    """The data set in figures."""

    shards: int
    clips: int
    """Clips that gave groups."""
    groups: int
    bytes: int
    skipped: dict[str, int]
    """Clips that gave none, by reason."""


class Row(Sealed):
    """A shard in the index."""

    seal: str
    """SHA-256 of the file that seals it."""

    @property
    def split(self) -> str:
        return split_of(self.shard)

    def all_faults(self, folder: Path) -> list[str]:
        """What is wrong with the shard and its seal: a line for each."""
        try:
            self.read_seal(folder)
        except DataError as error:
            return [str(error.args[0]), *self.faults(folder)]
        return self.faults(folder)

    def read_seal(self, folder: Path) -> Seal:
        """The file that seals the shard. Raises `DataError` when it is not the one that the index names."""
        file = folder / f"{self.shard}.json"
        if not file.is_file():
            raise DataError(f"{file.name} is missing", hint=_REPAIRED)
        if sha256(file) != self.seal:
            raise DataError(f"{file.name} has changed", hint=_REPAIRED)
        seal = read_seal(folder, self.shard)
        for name in Sealed.model_fields:
            if getattr(seal, name) != getattr(self, name):
                raise DataError(f"{file.name} has other {name} than {INDEX}", hint=_REPAIRED)
        return seal


class Index(Record):
    """A finished data set."""

    format: Format
    made_by: str
    source: str
    settings: Values
    plan: str
    """SHA-256 of the plan."""
    shards: tuple[Row, ...]
    skipped: dict[str, int]
    """Clips that gave no group, by reason."""

    @property
    def summary(self) -> Summary:
        return Summary(
            shards=len(self.shards),
            clips=sum(row.clips - row.failed for row in self.shards),
            groups=sum(row.groups for row in self.shards),
            bytes=sum(part.bytes for row in self.shards for part in row.files.values()),
            skipped=self.skipped,
        )


def write_index(folder: Path, plan: Plan) -> Summary | None:
    """Write the index and the list of skipped clips when every shard is finished; else None.

    Any process may do it: the same shards give the same files.
    """
    rows: list[Row] = []
    for shard in plan.shards():
        seal = seal_of(folder, shard, plan.settings_hash, trust_sizes=True)
        if seal is None:
            return None
        kept = {name: getattr(seal, name) for name in Sealed.model_fields}
        rows.append(Row(**kept, seal=sha256(folder / f"{shard.name}.json")))
    # a clip that failed and was tried again is no longer skipped once it gave a group
    good = {clip for row in rows for clip in successes(folder, row.shard)}
    # the last try is the one that is told
    tried = (one for row in reversed(rows) for one in failures(folder, row.shard))
    # a second clip of an id is lost, whatever became of the first
    lost = [one for one in plan.skipped() if one.reason == DUPLICATE or one.id not in good]
    told = good | {one.id for one in lost if one.reason != DUPLICATE}
    for one in tried:
        if one.id not in told:
            lost.append(one)
            told.add(one.id)
    write_text(folder / SKIPPED, "".join(f"{one.line()}\n" for one in lost))
    index = Index(
        format=FORMAT,
        made_by=f"frameweave {__version__}",
        source=plan.header.source,
        settings=plan.header.settings,
        plan=sha256(folder / PLAN),
        shards=tuple(rows),
        skipped=dict(Counter(one.reason for one in lost)),
    )
    write_text(folder / INDEX, index.line(indent=1))
    return index.summary


def read_index(folder: Path) -> Index:
    """The index of a data set. Raises `DataError` when there is none, or it is damaged."""
    file = folder / INDEX
    if not file.is_file():
        unfinished = (folder / PLAN).is_file()
        raise DataError(
            f"{folder}: {'not finished' if unfinished else 'no data set'}, found no {INDEX}",
            hint="run frameweave data prepare on it again" if unfinished else "prepare one first",
        )
    return parsed(Index, file.read_bytes(), str(file), hint="remove it and prepare again")


def check_sums(folder: Path) -> None:
    """Take the sums of all shards. Raises `DataError` with the first file that is not as it was written."""
    for row in read_index(folder).shards:
        if faults := row.all_faults(folder):
            raise DataError(f"{folder}: {faults[0]}", hint=_REPAIRED)


class _Ours(BaseModel):
    """What plans and indexes have, of any version."""

    format: object
    settings: object


def is_dataset(folder: Path) -> bool:
    """Whether shards were prepared there, finished or not; others' files may have the same names."""
    return _is_ours(folder / PLAN) or _is_ours(folder / INDEX)


def _is_ours(file: Path) -> bool:
    try:
        with file.open("rb") as opened:
            _Ours.model_validate_json(opened.readline() if file.name == PLAN else opened.read())
    except (OSError, ValidationError):
        return False
    return True


def files_of(folder: Path) -> Iterator[Path]:
    """What belongs to a data set except for its plan: shards, sidecars, index, what killed writers left.

    Raises `DataError` when there is neither plan nor index, or it is damaged.
    """
    if (folder / PLAN).is_file():
        shards = {shard.name for shard in Plan.open(folder).shards()}
    else:
        shards = {row.shard for row in read_index(folder).shards}
    for path in folder.iterdir():
        stage = stage_of(path)
        name = stage or path.name
        shard, suffix = name.partition(".")[0], name.rpartition(".")[2]
        of_shard = shard in shards and suffix in ("tar", "jsonl", "json", "safetensors")
        if (of_shard or name in (INDEX, SKIPPED) or stage == PLAN) and path.is_file():
            yield path


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
