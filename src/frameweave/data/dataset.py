"""A prepared data set as a whole: its index, what was skipped, and whether all of it is there."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from frameweave import __version__
from frameweave.data.plan import FORMAT, PLAN, Plan
from frameweave.data.record import Skipped
from frameweave.data.shards.shard import faults, seal_of
from frameweave.errors import DataError
from frameweave.runs.atomic import sha256, stage_of, staged

INDEX = "index.json"
SKIPPED = "skipped.jsonl"


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


def made_in(folder: Path, shard: str) -> Iterator[dict[str, Any]]:
    """What became of each clip of a finished shard: the fields of `shard.Made` that are not empty."""
    with (folder / f"{shard}.jsonl").open(encoding="utf-8") as file:
        yield from map(json.loads, file)


def failures(folder: Path, shard: str) -> Iterator[Skipped]:
    """The clips of a finished shard that gave no group."""
    for made in made_in(folder, shard):
        if made.get("reason"):
            yield Skipped(id=made["clip"], reason=made["reason"], detail=made.get("detail", ""))


def successes(folder: Path, shard: str) -> Iterator[str]:
    """The ids of a finished shard's clips that gave groups."""
    return (made["clip"] for made in made_in(folder, shard) if not made.get("reason"))


def write_index(folder: Path, plan: Plan) -> Summary | None:
    """Write the index and the list of skipped clips when every shard is finished; else None.

    Any process may do it: the same shards give the same files.
    """
    rows: list[dict[str, Any]] = []
    for shard in plan.shards():
        seal = seal_of(folder, shard, plan.settings_hash, trust_sizes=True)
        if seal is None:
            return None
        kept = {name: seal[name] for name in ("shard", "plan", "clips", "failed", "groups", "files")}
        rows.append(kept | {"seal": sha256(folder / f"{shard.name}.json")})
    reasons: Counter[str] = Counter()
    # a clip that failed and was tried again is no longer skipped once it gave a group
    good = {clip for row in rows for clip in successes(folder, row["shard"])}
    with staged(folder / SKIPPED) as stage, stage.open("w", encoding="utf-8") as file:
        listed: set[str] = set()
        for one in _all_skipped(folder, plan, rows):
            if one.id in good or one.id in listed:
                continue
            listed.add(one.id)
            reasons[one.reason] += 1
            file.write(json.dumps(asdict(one), ensure_ascii=False, sort_keys=True) + "\n")
    table = {
        "format": FORMAT,
        "made_by": f"frameweave {__version__}",
        "source": plan.header["source"],
        "settings": plan.header["settings"],
        "plan": sha256(folder / PLAN),
        "shards": rows,
        "skipped": dict(reasons),
    }
    with staged(folder / INDEX) as stage:
        stage.write_text(json.dumps(table, indent=1, ensure_ascii=False, sort_keys=True), encoding="utf-8")
    return summary_of(table)


def _all_skipped(folder: Path, plan: Plan, rows: list[dict[str, Any]]) -> Iterator[Skipped]:
    yield from plan.skipped()
    for row in reversed(rows):  # the last try is the one that is told
        yield from failures(folder, row["shard"])


def summary_of(index: dict[str, Any]) -> Summary:
    """The figures of an index."""
    rows = index["shards"]
    return Summary(
        shards=len(rows),
        clips=sum(row["clips"] - row["failed"] for row in rows),
        groups=sum(row["groups"] for row in rows),
        bytes=sum(part["bytes"] for row in rows for part in row["files"].values()),
        skipped=index["skipped"],
    )


def read_index(folder: Path) -> dict[str, Any]:
    """The index of a data set. Raises `DataError` when there is none, or it is damaged."""
    file = folder / INDEX
    if not file.is_file():
        unfinished = (folder / PLAN).is_file()
        raise DataError(
            f"{folder}: {'not finished' if unfinished else 'no data set'}, found no {INDEX}",
            hint="run frameweave data prepare on it again" if unfinished else "prepare one first",
        )
    try:
        table: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{file}: damaged ({error})", hint="remove it and prepare again") from error
    if table.get("format") != FORMAT:
        raise DataError(f"{file}: format {table.get('format')!r}, expected {FORMAT}", hint="prepare it anew")
    return table


def is_dataset(folder: Path) -> bool:
    """Whether shards were prepared there, finished or not; others' files may have the same names."""
    return any({"format", "settings"} <= _header(folder / name).keys() for name in (PLAN, INDEX))


def _header(file: Path) -> dict[str, Any]:
    """The object in the first line of a plan, or in an index; empty when there is none."""
    try:
        with file.open(encoding="utf-8") as opened:
            table: Any = json.loads(opened.readline() if file.name == PLAN else opened.read())
    except (OSError, ValueError):
        return {}
    return table if isinstance(table, dict) else {}


def files_of(folder: Path) -> Iterator[Path]:
    """What belongs to a data set except for its plan: shards, sidecars, index, what killed writers left.

    Raises `DataError` when there is neither plan nor index, or it is damaged.
    """
    if (folder / PLAN).is_file():
        shards = {shard.name for shard in Plan.open(folder).shards()}
    else:
        shards = {row["shard"] for row in read_index(folder)["shards"]}
    for path in folder.iterdir():
        stage = stage_of(path)
        name = stage or path.name
        shard, suffix = name.partition(".")[0], name.rpartition(".")[2]
        of_shard = shard in shards and suffix in ("tar", "jsonl", "json", "safetensors")
        if (of_shard or name in (INDEX, SKIPPED) or stage == PLAN) and path.is_file():
            yield path


def shard_faults(folder: Path, row: dict[str, Any]) -> list[str]:
    """What is wrong with a shard of the index: a line for each."""
    seal = folder / f"{row['shard']}.json"
    if not seal.is_file():
        return [f"{seal.name} is missing"]
    found = [] if sha256(seal) == row["seal"] else [f"{seal.name} has changed"]
    return found + faults(folder, row)
