"""What seals a finished shard, and what its lines tell of each clip."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

from pydantic import model_validator

from frameweave.data.lines import Record, parsed, read_records
from frameweave.data.plan import PLAN, PLAN_CHANGED, Format, ShardPlan
from frameweave.data.record import Skipped
from frameweave.data.shards.tars import Member, read_members
from frameweave.errors import DataError
from frameweave.runs.atomic import sha256

_FILES = ("tar", "jsonl")
_HINT = "run frameweave data prepare on it again"


class Video(Record):
    """What was found in a clip's video."""

    width: int
    height: int
    frames: int
    seconds: float
    sha256: str


class Made(Record):
    """What became of a clip."""

    clip: str
    groups: int
    reason: str = ""
    """Why it gave no group; empty when it gave some."""
    detail: str = ""
    passed_over: dict[str, int] | None = None
    source: Video | None = None


class Sum(Record):
    """Of a file."""

    bytes: int
    sha256: str


class Sealed(Record):
    """A shard's figures, and the sums of its files."""

    shard: str
    plan: str
    """SHA-256 of its line in the plan."""
    clips: int
    failed: int
    groups: int
    files: dict[Literal["tar", "jsonl"], Sum]

    @model_validator(mode="after")
    def _both(self) -> "Sealed":
        if len(self.files) < len(_FILES):
            raise ValueError(
                f"sums of {' and '.join(self.files) or 'nothing'}, expected {' and '.join(_FILES)}"
            )
        return self

    def faults(self, folder: Path, *, trust_sizes: bool = False) -> list[str]:
        """What is wrong with the shard's files: a line for each."""
        found: list[str] = []
        for suffix, expected in self.files.items():
            file = folder / f"{self.shard}.{suffix}"
            if not file.is_file():
                found.append(f"{file.name} is missing")
            elif file.stat().st_size != expected.bytes:
                found.append(f"{file.name} has {file.stat().st_size} bytes, expected {expected.bytes}")
            elif not trust_sizes and sha256(file) != expected.sha256:
                found.append(f"{file.name} has changed")
        return found


class Seal(Sealed):
    """The file that is written last."""

    format: Format
    settings: str
    """Their hash."""
    members: tuple[Member, ...]
    """Where each lies in the tar."""

    @property
    def counts(self) -> tuple[int, int, int]:
        """As `counts_of`."""
        return self.clips, self.failed, self.groups


def read_seal(folder: Path, shard: str) -> Seal:
    """Raises `DataError` when it is damaged, `OSError` when there is none."""
    file = folder / f"{shard}.json"
    return parsed(Seal, file.read_bytes(), str(file), hint=_HINT)


def seal_of(folder: Path, plan: ShardPlan, settings: str, *, trust_sizes: bool = False) -> Seal | None:
    """What seals a finished shard of this plan and these settings; None when it must be made (again).

    Sums are taken anew, unless sizes are trusted; counts and members are those of the files.
    """
    try:
        seal = read_seal(folder, plan.name)
        if (seal.shard, seal.plan, seal.settings) != (plan.name, plan.digest, settings):
            return None
        if seal.faults(folder, trust_sizes=trust_sizes) or seal.counts != counts_of(
            made_in(folder, plan.name)
        ):
            return None
        whole = trust_sizes or seal.members == tuple(read_members(folder / f"{plan.name}.tar"))
        return seal if whole else None
    except (OSError, DataError):
        return None


def check_made_of(folder: Path, plan: ShardPlan, settings: str) -> None:
    """Raise `DataError` when a whole shard of these settings was made of another line than the plan's.

    The line has changed: the shard would be made again with wrong captions.
    """
    try:
        seal = read_seal(folder, plan.name)
    except (OSError, DataError):
        return
    other = (seal.shard, seal.settings) == (plan.name, settings) and seal.plan != plan.digest
    if other and not seal.faults(folder):
        raise DataError(
            f"{folder / PLAN}: the line of {plan.name} is not the one that the shard was made of",
            hint=PLAN_CHANGED,
        )


def counts_of(made: Iterable[Made]) -> tuple[int, int, int]:
    """Clips, those of them that failed, and groups."""
    told = [(bool(one.reason), one.groups) for one in made]
    return len(told), sum(failed for failed, _ in told), sum(groups for _, groups in told)


def made_in(folder: Path, shard: str) -> Iterator[Made]:
    """What became of each clip of a finished shard."""
    return read_records(folder / f"{shard}.jsonl", Made, hint=_HINT)


def failures(folder: Path, shard: str) -> Iterator[Skipped]:
    """The clips of a finished shard that gave no group."""
    for made in made_in(folder, shard):
        if made.reason:
            yield Skipped(id=made.clip, reason=made.reason, detail=made.detail)


def successes(folder: Path, shard: str) -> Iterator[str]:
    """The ids of a finished shard's clips that gave groups."""
    return (made.clip for made in made_in(folder, shard) if not made.reason)
