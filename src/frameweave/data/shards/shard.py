"""One shard: a tar of groups, a file of what became of each clip, and last a file that seals both.

`train-000003.tar` holds samples in WebDataset's layout: `video7_2.f0.jpg`, `video7_2.d0.png`,
`video7_2.txt` (a caption a line), `video7_2.json`. `train-000003.jsonl` has a line for every clip of
the plan. `train-000003.json` is written last: sums of the other two, counts, and where each member
lies in the tar.
"""

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

from frameweave.data.captions.edit_prompt import EditPrompt
from frameweave.data.depth_maps import DepthScale, Estimate, StoredDepth, own_depth, stored
from frameweave.data.extraction import Extracted
from frameweave.data.lines import Record
from frameweave.data.options import GroupSettings, ShardSettings
from frameweave.data.plan import FORMAT, ShardPlan
from frameweave.data.record import ClipRecord
from frameweave.data.shards.seal import Made, Seal, Sum, Video, counts_of
from frameweave.data.shards.tars import write_tar
from frameweave.data.text import key_of
from frameweave.errors import DataError, FrameweaveError
from frameweave.runs.atomic import sha256, staged, write_text

Extract = Callable[[str, str, GroupSettings], Extracted]
"""`extraction.extract`, or the same in a guarded process."""


class About(Record):
    """What is kept of a group beside its pictures and captions."""

    clip: str
    group: int
    frames: tuple[int, ...]
    """Their numbers in the clip."""
    times: tuple[float, ...]
    """In seconds from the clip's first frame."""
    source_size: tuple[int, int]
    """Width and height."""
    split: str = ""
    category: str = ""
    origin: str = ""
    prompts: tuple[EditPrompt, ...] = ()
    depth: DepthScale | None = None


def build_shard(
    folder: Path, plan: ShardPlan, settings: ShardSettings, extract: Extract, estimate: Estimate | None
) -> Seal:
    """Write a shard into `folder`; return what seals it.

    A clip that cannot be used is a line of the jsonl, and stops nothing. Raises `OSError` when the
    disk does not take it.
    """
    made: list[Made] = []
    seal = folder / f"{plan.name}.json"
    tar, lines = (folder / f"{plan.name}.{suffix}" for suffix in ("tar", "jsonl"))
    seal.unlink(missing_ok=True)
    with staged(tar) as stage:
        members = write_tar(stage, _samples(plan, settings, extract, estimate, made))
    write_text(lines, "".join(f"{one.line(lean=True)}\n" for one in made))
    clips, failed, groups = counts_of(made)
    table = Seal(
        format=FORMAT,
        shard=plan.name,
        plan=plan.digest,
        settings=settings.hash,
        clips=clips,
        failed=failed,
        groups=groups,
        files={"tar": _sum(tar), "jsonl": _sum(lines)},
        members=tuple(members),
    )
    write_text(seal, table.line())
    return table


def _sum(file: Path) -> Sum:
    return Sum(bytes=file.stat().st_size, sha256=sha256(file))


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
            made.append(Made(clip=clip.id, groups=0, reason=error.reason or "unreadable", detail=str(error)))
            continue
        yield from _members(_free_key(clip.id, keys), clip, found, depth, settings)
        made.append(
            Made(
                clip=clip.id,
                groups=len(found.groups),
                reason=reason,
                passed_over=found.passed_over or None,
                source=Video(
                    width=found.width,
                    height=found.height,
                    frames=found.frames,
                    seconds=found.seconds,
                    sha256=found.sha256,
                ),
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
        maps = [
            own_depth(clip.depth, group.numbers, settings, frames=found.frames, aspect=found.aspect)
            for group in found.groups
        ]
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
        about = About(
            clip=clip.id,
            group=index,
            frames=group.numbers,
            times=group.times,
            source_size=(found.width, found.height),
            split=clip.split,
            category=clip.category,
            origin=clip.origin,
            prompts=clip.prompts,
            depth=None if depth is None else depth.scale,
        )
        for place, picture in enumerate(group.pictures):
            yield f"{name}.f{place}.{settings.picture}", picture
        for place, map_ in enumerate(() if depth is None else depth.maps[index]):
            yield f"{name}.d{place}.png", map_
        yield f"{name}.json", about.line(lean=True).encode()
        yield f"{name}.txt", captions


def _free_key(clip: str, taken: set[str]) -> str:
    """The clip's key; what makes it unlike another clip's of the same key is a sum of its id."""
    key = key_of(clip)[:60]
    if key in taken:
        key = f"{key[:50]}-{hashlib.sha256(clip.encode()).hexdigest()[:8]}"
    taken.add(key)
    return key
