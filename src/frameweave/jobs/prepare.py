"""Videos with captions to shards: the whole job, which goes on where an earlier run stopped."""

import shutil
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from frameweave.data.captions.prompted import Prompted
from frameweave.data.dataset import Summary, failures, is_dataset, write_index
from frameweave.data.plan import PLAN, Plan, write_plan
from frameweave.data.record import ClipRecord, Reader
from frameweave.data.shard import ShardSettings, seal_of
from frameweave.data.sources.detect import read_source
from frameweave.engine import engine_of, part
from frameweave.errors import RunError
from frameweave.jobs.data_options import PrepareOptions
from frameweave.jobs.shard_work import build, item_of
from frameweave.progress import SILENT, Progress

_SURE = 20  # clips after which a rate of failures says something


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """What a run of the job did."""

    folder: Path
    summary: Summary | None
    """Of the whole data set; None while shards of other array tasks are missing."""
    shards_made: int
    seconds: float


def prepare(source: str, options: PrepareOptions, *, progress: Progress = SILENT) -> Prepared:
    """Prepare a source into the folder `options.out`; finished shards are kept.

    Raises `DataError` for a source without usable clips, `RunError` when the folder has a data set
    of other settings, when too many clips fail, or when shards could not be written.
    """
    start = time.monotonic()
    settings = settings_of(options)
    plan = _planned(source, options, settings, progress)
    names = (shard.name for shard in plan.shards())
    wanted = list(part(names, options.shard_index, options.num_shards))
    missing = _missing(plan, wanted, options, progress)
    _make(plan, missing, settings, options, progress)
    summary = write_index(options.out, plan)
    return Prepared(
        folder=options.out,
        summary=summary,
        shards_made=len(missing),
        seconds=round(time.monotonic() - start, 2),
    )


def planned_figures(source: str, options: PrepareOptions) -> dict[str, Any]:
    """What a run would do, without doing it: clips and shards by split, what is skipped, how much room."""
    settings = settings_of(options)
    with tempfile.TemporaryDirectory() as folder:
        write_plan(
            Path(folder), source, _reader(source, options), settings.as_dict(), options.clips_per_shard
        )
        plan = Plan.open(Path(folder))
        clips: Counter[str] = Counter()
        shards: Counter[str] = Counter()
        for shard in plan.shards():
            split = shard.name.rsplit("-", 1)[0]
            clips[split] += len(shard.clips)
            shards[split] += 1
        skipped = Counter(one.reason for one in plan.skipped())
    groups = sum(clips.values()) * settings.per_clip
    return {
        "clips": dict(clips),
        "shards": dict(shards),
        "skipped": dict(skipped),
        "groups_at_most": groups,
        "megabytes_at_most": round(groups * settings.frames * _bytes_of_frame(settings) / 2**20),
    }


def settings_of(options: PrepareOptions) -> ShardSettings:
    """What of the options decides the shards' bytes."""
    return ShardSettings(**{field.name: getattr(options, field.name) for field in fields(ShardSettings)})


def _bytes_of_frame(settings: ShardSettings) -> float:
    """Rough: half a byte a pixel for jpg and webp, two and a half for png; depth two thirds of its bits."""
    picture = 2.5 if settings.picture == "png" else 0.5
    depth = 0 if settings.depth == "none" else settings.depth_bits / 8 * 2 / 3
    return settings.size**2 * (picture + depth)


def _reader(source: str, options: PrepareOptions) -> Reader:
    reader = read_source(
        source,
        layout=options.layout,
        split=options.split,
        limit=options.limit,
        subset=options.subset,
        seed=options.seed,
    )
    return reader if options.prompts is None else Prompted(reader, options.prompts)


def _planned(source: str, options: PrepareOptions, settings: ShardSettings, progress: Progress) -> Plan:
    """The folder's plan, or a new one; with `extend` or `retry-failed` a longer one."""
    out = options.out
    if options.mode == "overwrite" and out.exists():
        _clear(out)
    if not (out / PLAN).is_file():
        if out.exists() and any(out.iterdir()):
            raise RunError(f"{out}: not empty, and no data set", hint="choose another --out")
        progress.note(f"reading {source}")
        write_plan(out, source, _reader(source, options), settings.as_dict(), options.clips_per_shard)
        return Plan.open(out)
    plan = Plan.open(out)
    if plan.settings_hash != settings.hash:
        raise RunError(
            f"{out}: prepared with {_difference(plan.header['settings'], settings.as_dict())}",
            hint="give the same settings, another --out, or --mode overwrite",
        )
    if options.mode == "extend":
        _extend(plan, _reader(source, options), options, progress)
    if options.mode == "retry-failed":
        _retry(plan, options, progress)
    return Plan.open(out)


def _extend(plan: Plan, reader: Reader, options: PrepareOptions, progress: Progress) -> None:
    known = {clip.id for shard in plan.shards() for clip in shard.clips}
    added = [item for item in reader if isinstance(item, ClipRecord) and item.id not in known]
    progress.note(f"{len(added)} clips are new")
    _append(plan, added, options)


def _retry(plan: Plan, options: PrepareOptions, progress: Progress) -> None:
    """Plan the clips once more that gave no group; the shards in which they failed stay as they are."""
    failed: dict[str, ClipRecord] = {}
    for shard in plan.shards():
        for clip in shard.clips:
            failed.pop(clip.id, None)  # the last try counts, also one that is planned and not made yet
        if seal_of(plan.file.parent, shard, plan.settings_hash, trust_sizes=True) is None:
            continue
        lost = {one.id for one in failures(plan.file.parent, shard.name)}
        failed |= {clip.id: clip for clip in shard.clips if clip.id in lost}
    progress.note(f"{len(failed)} clips are tried again")
    _append(plan, list(failed.values()), options)


def _append(plan: Plan, clips: list[ClipRecord], options: PrepareOptions) -> None:
    for split in sorted({clip.split or "all" for clip in clips}):
        own = [clip for clip in clips if (clip.split or "all") == split]
        plan.extended(split, own, options.clips_per_shard)


def _missing(plan: Plan, wanted: list[str], options: PrepareOptions, progress: Progress) -> list[str]:
    """The shards that are not finished."""
    names = set(wanted)
    finished = {
        shard.name
        for shard in progress.track(plan.shards(), "looking for finished shards")
        if shard.name in names
        and seal_of(options.out, shard, plan.settings_hash, trust_sizes=options.trust_sizes)
    }
    if finished:
        progress.note(f"{len(finished)} of {len(wanted)} shards are finished already")
    return [name for name in wanted if name not in finished]


def _make(
    plan: Plan, missing: list[str], settings: ShardSettings, options: PrepareOptions, progress: Progress
) -> None:
    """Run the engine over the missing shards; stop when too many clips fail."""
    names = set(missing)
    items = (
        item_of(
            options.out,
            shard,
            settings,
            timeout=options.timeout,
            memory_gb=options.memory_gb,
            device=options.device,
        )
        for shard in plan.shards()
        if shard.name in names
    )
    engine = engine_of(replace(options, timeout=None, memory_gb=None))  # the limits are a clip's
    clips = failed = 0
    broken: list[str] = []
    start = time.monotonic()
    outcomes = engine.run(build, items)
    try:
        for outcome in progress.track(outcomes, "preparing shards", total=len(missing)):
            if outcome.failure is not None:
                broken.append(f"{missing[outcome.position]}: {outcome.failure.message}")
                if "No space left" in outcome.failure.message:
                    break
                continue
            clips += outcome.value["clips"]
            failed += outcome.value["failed"]
            progress.measure(clips_per_second=clips / (time.monotonic() - start), skipped=failed)
            _check_rate(failed, clips, options, last=False)
    finally:
        outcomes.close()
    if broken:
        raise RunError(
            f"{len(broken)} of {len(missing)} shards could not be written, the first {broken[0]}",
            hint="mend the cause and run the same command again: finished shards are kept",
        )
    _check_rate(failed, clips, options, last=True)


def _check_rate(failed: int, clips: int, options: PrepareOptions, *, last: bool) -> None:
    if clips and failed / clips > options.max_failure_rate and (last or clips >= _SURE):
        raise RunError(
            f"{failed} of {clips} clips gave no group, more than --max-failure-rate "
            f"{options.max_failure_rate:g} allows",
            hint=f"see the reasons in {options.out}/*.jsonl, or allow more",
        )


def _clear(out: Path) -> None:
    """Remove an earlier data set, and nothing else."""
    if any(out.iterdir()) and not is_dataset(out):
        raise RunError(f"{out}: not empty, and no data set", hint="choose another --out")
    shutil.rmtree(out)


def _difference(before: dict[str, Any], now: dict[str, Any]) -> str:
    """The first settings that differ, in words."""
    differ = [
        f"{name} = {before.get(name)} (now {now[name]})" for name in now if before.get(name) != now[name]
    ]
    return ", ".join(differ[:3])
