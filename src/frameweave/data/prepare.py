"""Videos with captions to shards. The same call goes on where an earlier one stopped."""

import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from frameweave.data.dataset import LastTries, Summary, write_index
from frameweave.data.options import PrepareOptions, ShardSettings
from frameweave.data.plan import Plan, ShardPlan
from frameweave.data.prepare_plan import plan_of, settings_of, write_new
from frameweave.data.shard_work import Item, build, on_gpu
from frameweave.data.shards.seal import Sealed, check_made_of, seal_of
from frameweave.errors import InputError, RunError
from frameweave.progress import SILENT, Progress
from frameweave.runs.engines import engine_of, in_shards, part
from frameweave.runs.engines.local import processors

_ON_A_GPU = 4  # workers; each has an estimator of its own in the GPU's memory
_SURE = 20  # clips after which a rate of failures says something


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """What a run did."""

    folder: Path
    summary: Summary | None
    """Of the whole data set; None while shards of other array tasks are missing."""
    shards_made: int
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What a run would do: clips and shards by split, clips that are skipped by reason, and the room."""

    clips: dict[str, int]
    shards: dict[str, int]
    skipped: dict[str, int]
    groups_at_most: int
    megabytes_at_most: int


def prepare(source: str, options: PrepareOptions, *, progress: Progress = SILENT) -> Prepared:
    """Prepare a source into the folder `options.out`; finished shards are kept.

    Raises `DataError` for a source without usable clips,
    `RunError` when the folder has a data set of another source or of other settings, when too many clips
    of the data set failed, or when shards could not be written.
    """
    start = time.monotonic()
    if options.mode in ("overwrite", "retry-failed") and in_shards(options.shard_index, options.num_shards):
        raise InputError(
            f"--mode {options.mode} in one of several jobs, which would undo each other's work",
            hint="give it to one job alone; others may help it with --mode resume",
        )
    plan = plan_of(source, options, progress)
    names = (shard.name for shard in plan.shards())
    wanted = list(part(names, options.shard_index, options.num_shards))
    mine = set(wanted)
    own = (shard for shard in plan.shards() if shard.name in mine)
    looked_at = progress.track(own, "looking for finished shards", len(wanted))
    finished = _finished(looked_at, plan, trust_sizes=options.trust_sizes)
    if finished:
        progress.note(f"{len(finished)} of {len(wanted)} shards are finished already")
    missing = [name for name in wanted if name not in finished]
    for shard in plan.shards() if missing else ():
        if shard.name in mine and shard.name not in finished:
            check_made_of(options.out, shard, plan.settings_hash)
    _make(plan, missing, _counted(plan, finished), options, progress)
    _check_rate(_counted(plan, _finished(plan.shards(), plan, trust_sizes=True)), options)
    summary = write_index(options.out, plan)
    return Prepared(
        folder=options.out,
        summary=summary,
        shards_made=len(missing),
        seconds=round(time.monotonic() - start, 2),
    )


def planned_figures(source: str, options: PrepareOptions) -> Figures:
    """What a run would do, without doing it."""
    settings = settings_of(options)
    with tempfile.TemporaryDirectory() as folder:
        plan = write_new(Path(folder), source, options)
        clips: Counter[str] = Counter()
        shards: Counter[str] = Counter()
        for shard in plan.shards():
            clips[shard.split] += len(shard.clips)
            shards[shard.split] += 1
        skipped = Counter(one.reason for one in plan.skipped())
    groups = sum(clips.values()) * settings.per_clip
    return Figures(
        clips=dict(clips),
        shards=dict(shards),
        skipped=dict(skipped),
        groups_at_most=groups,
        megabytes_at_most=round(groups * settings.frames * _bytes_of_frame(settings) / 2**20),
    )


def _bytes_of_frame(settings: ShardSettings) -> float:
    """Rough: half a byte a pixel for jpg and webp, two and a half for png; depth two thirds of its bits."""
    picture = 2.5 if settings.picture == "png" else 0.5
    depth = 0 if settings.depth == "none" else settings.depth_bits / 8 * 2 / 3
    return settings.size**2 * (picture + depth)


def _finished(shards: Iterable[ShardPlan], plan: Plan, *, trust_sizes: bool) -> set[str]:
    """Those of the shards that need not be made, whatever job of an array has made them."""
    return {
        shard.name
        for shard in shards
        if seal_of(plan.file.parent, shard, plan.settings_hash, trust_sizes=trust_sizes)
    }


def _counted(plan: Plan, finished: set[str]) -> LastTries:
    tries = LastTries(plan)
    for name in finished:
        tries.count(name)
    return tries


def _make(
    plan: Plan, missing: list[str], tries: LastTries, options: PrepareOptions, progress: Progress
) -> None:
    """Run the engine over the missing shards; stop when too many clips fail."""
    _check_rate(tries, options)
    names = set(missing)
    items = (
        Item(
            folder=str(options.out.absolute()),
            shard=shard,
            settings=settings_of(options).table(),
            timeout=options.timeout,
            memory_gb=options.memory_gb,
            device=options.device,
        ).line(lean=True)
        for shard in plan.shards()
        if shard.name in names
    )
    workers = options.workers
    here = not (options.ray or options.ray_address)
    estimated = (not clip.depth for shard in plan.shards() if shard.name in names for clip in shard.clips)
    if workers is None and here and any(estimated) and on_gpu(settings_of(options), options.device):
        workers = min(processors(), _ON_A_GPU)
        progress.note(f"{workers} workers, each with a depth estimator on the GPU: see --workers")
    # the limits are a clip's
    engine = engine_of(options.replaced(workers=workers, timeout=None, memory_gb=None))
    clips = 0
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
            sealed = Sealed.model_validate_json(outcome.value)
            clips += sealed.clips
            tries.count(sealed.shard)
            progress.measure(clips_per_second=clips / (time.monotonic() - start), skipped=tries.failed)
            _check_rate(tries, options)
    finally:
        outcomes.close()
    if broken:
        raise RunError(
            f"{len(broken)} of {len(missing)} shards could not be written, the first {broken[0]}",
            hint="mend the cause and run the same command again: finished shards are kept",
        )


def _check_rate(tries: LastTries, options: PrepareOptions) -> None:
    if tries.clips < _SURE and not tries.complete:
        return
    if tries.failed / tries.clips > options.max_failure_rate:
        raise RunError(
            f"{tries.failed} of {tries.clips} clips gave no group, more than --max-failure-rate "
            f"{options.max_failure_rate:g} allows",
            hint=f"see the reasons in {options.out}/*.jsonl; try them again with --mode retry-failed, "
            "or allow more",
        )
