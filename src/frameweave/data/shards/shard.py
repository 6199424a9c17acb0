"""One shard: a tar of groups, a file of what became of each clip, and last a file that seals both.

`train-000003.tar` holds samples in WebDataset's layout: `video7_2.f0.jpg`, `video7_2.d0.png`,
`video7_2.txt` (a caption a line), `video7_2.json`. `train-000003.jsonl` has a line for every clip of
the plan. `train-000003.json` is written last: sums of the other two, counts, and where each member
lies in the tar.
"""

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from frameweave.data.depth_maps import Estimate, StoredDepth, own_depth, stored
from frameweave.data.extraction import Extracted
from frameweave.data.grouping import GroupSettings
from frameweave.data.plan import FORMAT, ShardPlan, settings_hash
from frameweave.data.record import ClipRecord, key_of
from frameweave.data.shards.tars import Member, write_tar
from frameweave.errors import DataError, FrameweaveError
from frameweave.runs.atomic import sha256, staged

Extract = Callable[[str, str, GroupSettings], Extracted]
"""`extraction.extract`, or the same in a guarded process."""


@dataclass(frozen=True, kw_only=True)
class ShardSettings(GroupSettings):
    """Everything that decides what a shard holds."""

    depth: Literal["auto", "own", "none"] = "auto"
    """The clip's own depth where it has some and else an estimator's; only its own; or none."""
    depth_model: str = "depth-anything/Depth-Anything-V2-Small-hf"
    """The estimator: the packaged "miniature", a folder, or a hub id."""
    depth_bits: Literal[8, 16] = 16
    """Of the depth's PNG files."""

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def hash(self) -> str:
        return settings_hash(self.as_dict())


@dataclass(frozen=True, kw_only=True)
class Made:
    """What became of a clip."""

    clip: str
    groups: int = 0
    reason: str = ""
    """Why it gave no group; empty when it gave some."""
    detail: str = ""
    passed_over: dict[str, int] | None = None
    source: dict[str, Any] | None = None
    """Of the video: width, height, frames, seconds, sha256."""


def build_shard(
    folder: Path, plan: ShardPlan, settings: ShardSettings, extract: Extract, estimate: Estimate | None
) -> dict[str, Any]:
    """Write a shard into `folder`; return what seals it.

    A clip that cannot be used is a line of the jsonl, and stops nothing. Raises `OSError` when the
    disk does not take it.
    """
    made: list[Made] = []
    seal = folder / f"{plan.name}.json"
    seal.unlink(missing_ok=True)
    with staged(folder / f"{plan.name}.tar") as stage:
        members = write_tar(stage, _samples(plan, settings, extract, estimate, made))
    with staged(folder / f"{plan.name}.jsonl") as stage:
        lines = (json.dumps(_plain(one), ensure_ascii=False, sort_keys=True) for one in made)
        stage.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    table = _sealed(folder, plan, settings, made, members)
    with staged(seal) as stage:
        stage.write_text(json.dumps(table, sort_keys=True), encoding="utf-8")
    return table


def _sealed(
    folder: Path, plan: ShardPlan, settings: ShardSettings, made: list[Made], members: list[Member]
) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "shard": plan.name,
        "plan": plan.digest,
        "settings": settings.hash,
        "clips": len(made),
        "failed": sum(1 for one in made if one.reason),
        "groups": sum(one.groups for one in made),
        "files": {
            suffix: {"bytes": file.stat().st_size, "sha256": sha256(file)}
            for suffix in ("tar", "jsonl")
            for file in [folder / f"{plan.name}.{suffix}"]
        },
        "members": [[member.name, member.offset, member.size] for member in members],
    }


def seal_of(
    folder: Path, plan: ShardPlan, settings: str, *, trust_sizes: bool = False
) -> dict[str, Any] | None:
    """What seals a finished shard of this plan and these settings; None when it must be made (again).

    Sums are taken anew, unless sizes are trusted.
    """
    try:
        table = json.loads((folder / f"{plan.name}.json").read_text(encoding="utf-8"))
        if (table["format"], table["plan"], table["settings"]) != (FORMAT, plan.digest, settings):
            return None
        return None if faults(folder, table, trust_sizes=trust_sizes) else table
    except (OSError, ValueError, KeyError, TypeError):
        return None


def faults(folder: Path, table: dict[str, Any], *, trust_sizes: bool = False) -> list[str]:
    """What is wrong with a sealed shard's files: a line for each."""
    found: list[str] = []
    for suffix, expected in table["files"].items():
        file = folder / f"{table['shard']}.{suffix}"
        if not file.is_file():
            found.append(f"{file.name} is missing")
        elif file.stat().st_size != expected["bytes"]:
            found.append(f"{file.name} has {file.stat().st_size} bytes, expected {expected['bytes']}")
        elif not trust_sizes and sha256(file) != expected["sha256"]:
            found.append(f"{file.name} has changed")
    return found


def _samples(
    plan: ShardPlan,
    settings: ShardSettings,
    extract: Extract,
    estimate: Estimate | None,
    made: list[Made],
) -> Iterator[tuple[str, bytes]]:
    """All members of the shard, clip by clip; what becomes of each is put into `made`."""
    keys: set[str] = set()
    for clip in plan.clips:
        try:
            found = extract(clip.path, clip.id, settings)
            reason = _why_none(found)
            depth = None if reason else _depth(clip, found, settings, estimate)
        except FrameweaveError as error:
            made.append(Made(clip=clip.id, reason=error.reason or "unreadable", detail=str(error)))
            continue
        key = _free_key(clip.id, keys)
        yield from _members(key, clip, found, depth, settings)
        made.append(
            Made(
                clip=clip.id,
                groups=len(found.groups),
                reason=reason,
                passed_over=found.passed_over or None,
                source={
                    name: getattr(found, name) for name in ("width", "height", "frames", "seconds", "sha256")
                },
            )
        )


def _why_none(found: Extracted) -> str:
    if found.groups:
        return ""
    return max(found.passed_over, key=found.passed_over.__getitem__) if found.passed_over else "too_short"


def _depth(
    clip: ClipRecord, found: Extracted, settings: ShardSettings, estimate: Estimate | None
) -> StoredDepth | None:
    if settings.depth == "none":
        return None
    if clip.depth:
        maps = [own_depth(clip.depth, group.numbers, settings) for group in found.groups]
        return stored(maps, bits=settings.depth_bits, by="own")
    if settings.depth == "own" or estimate is None:
        raise DataError(f"{clip.id}: it has no depth of its own", hint="give --depth auto", reason="no_depth")
    maps = [estimate(list(group.pictures)) for group in found.groups]
    return stored(maps, bits=settings.depth_bits, by=settings.depth_model)


def _members(
    key: str, clip: ClipRecord, found: Extracted, depth: StoredDepth | None, settings: ShardSettings
) -> Iterator[tuple[str, bytes]]:
    captions = "".join(f"{caption}\n" for caption in clip.captions).encode()
    for index, group in enumerate(found.groups):
        name = f"{key}_{index}"
        about: dict[str, Any] = {
            "clip": clip.id,
            "group": index,
            "frames": list(group.numbers),
            "times": list(group.times),
            "source_size": [found.width, found.height],
        }
        about |= {
            field: getattr(clip, field) for field in ("split", "category", "origin") if getattr(clip, field)
        }
        if clip.prompts:
            about["prompts"] = list(clip.prompts)
        for place, picture in enumerate(group.pictures):
            yield f"{name}.f{place}.{settings.picture}", picture
        if depth is not None:
            about["depth"] = {
                "low": depth.low,
                "high": depth.high,
                "bits": settings.depth_bits,
                "by": depth.by,
            }
            for place, map_ in enumerate(depth.maps[index]):
                yield f"{name}.d{place}.png", map_
        yield f"{name}.json", json.dumps(about, ensure_ascii=False, sort_keys=True).encode()
        yield f"{name}.txt", captions


def _free_key(clip: str, taken: set[str]) -> str:
    """The clip's key; what makes it unlike another clip's of the same key is a sum of its id."""
    key = key_of(clip)[:60]
    if key in taken:
        key = f"{key[:50]}-{hashlib.sha256(clip.encode()).hexdigest()[:8]}"
    taken.add(key)
    return key


def _plain(one: Made) -> dict[str, Any]:
    return {name: value for name, value in asdict(one).items() if value not in ("", None)}
