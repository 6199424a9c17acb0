"""What seals a finished shard, and what its lines tell of each clip."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from frameweave.data.lines import Record, parsed, read_records
from frameweave.data.plan import Format, ShardPlan
from frameweave.data.record import Skipped
from frameweave.data.shards.tars import Member
from frameweave.errors import DataError
from frameweave.runs.atomic import sha256

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


def read_seal(folder: Path, shard: str) -> Seal:
    """Raises `DataError` when it is damaged, `OSError` when there is none."""
    file = folder / f"{shard}.json"
    return parsed(Seal, file.read_bytes(), str(file), hint=_HINT)


def seal_of(folder: Path, plan: ShardPlan, settings: str, *, trust_sizes: bool = False) -> Seal | None:
    """What seals a finished shard of this plan and these settings; None when it must be made (again).

    Sums are taken anew, unless sizes are trusted.
    """
    try:
        seal = read_seal(folder, plan.name)
        whole = (seal.plan, seal.settings) == (plan.digest, settings)
        return seal if whole and not seal.faults(folder, trust_sizes=trust_sizes) else None
    except (OSError, DataError):
        return None


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
