"""The plan that a run works on: a new one, the folder's own, or with some modes a longer one."""

from collections.abc import Callable, Iterable
from pathlib import Path

from frameweave.data.captions.prompts_file import Prompted, sum_of
from frameweave.data.dataset import INDEX, files_of, is_dataset, read_index
from frameweave.data.options import PrepareOptions, ShardSettings
from frameweave.data.plan import PLAN, PLAN_CHANGED, UNDIVIDED, Choice, Plan, write_plan
from frameweave.data.record import ClipRecord, Reader, Skipped
from frameweave.data.shards.seal import failures, seal_of
from frameweave.data.sources.detect import chosen_clips
from frameweave.data.sources.member import parted
from frameweave.errors import DataError, RunError
from frameweave.progress import SILENT, Progress
from frameweave.runs.atomic import clear_stale, holds_more_than_stages
from frameweave.runs.identity import contents
from frameweave.runs.takeable import check_folder_name


def settings_of(options: PrepareOptions) -> ShardSettings:
    """What of the options decides the shards' bytes."""
    return options.part(ShardSettings)


def write_new(
    folder: Path,
    source: str,
    options: PrepareOptions,
    *,
    instead_of: Iterable[Path] = (),
    note: Callable[[str], None] = SILENT.note,
) -> Plan:
    """Plan the clips of a source in a folder, in place of some files; what else is there stays.

    Raises `DataError` for no clips.
    """
    write_plan(
        folder,
        _reader(source, options, note),
        settings_of(options).table(),
        _choice(source, options),
        estimator=_estimator(options),
        instead_of=instead_of,
    )
    return Plan.open(folder)


def plan_of(source: str, options: PrepareOptions, progress: Progress) -> Plan:
    """The plan of the folder `options.out`, as its mode says.

    Raises `RunError` when the folder holds other things, or a data set of another source or of other
    settings.
    """
    out = options.out
    check_folder_name(out)
    clear_stale(out)
    if options.mode == "overwrite" and is_dataset(out):
        return _anew(source, options, progress)
    if not (out / PLAN).is_file():
        if not out.exists() or not holds_more_than_stages(out):
            progress.note(f"reading {source}")
            return write_new(out, source, options, note=progress.note)
        if not (out / PLAN).is_file():  # it may be there since, by another job of an array
            raise RunError(f"{out}: not empty, and no data set", hint="choose another --out")
    plan = Plan.open(out)
    _check_whole(plan)
    _check_same(plan, source, options)
    if options.mode == "retry-failed":
        _retry(plan, options, progress)
    elif options.mode != "overwrite":
        _compare(plan, _reader(source, options, progress.note), options, progress)
    return Plan.open(out)


def _reader(source: str, options: PrepareOptions, note: Callable[[str], None]) -> Reader:
    reader = chosen_clips(source, options)
    return reader if options.prompts is None else Prompted(reader, options.prompts, note)


def _choice(source: str, options: PrepareOptions) -> Choice:
    return Choice(
        source=str(Path(source).absolute()),  # not resolved: a link may lead elsewhere tomorrow
        clips_per_shard=options.clips_per_shard,
        layout=options.layout,
        split=options.split,
        limit=options.limit,
        subset=options.subset,
        prompts="" if options.prompts is None else sum_of(options.prompts),
    )


def _estimator(options: PrepareOptions) -> str:
    """SHA-256 of the folder of the depth estimator; empty where none is used or it does not lie in one."""
    folder = Path(options.depth_model)
    if options.depth != "auto" or not folder.is_dir():
        return ""
    return contents(folder, (file for file in folder.rglob("*") if file.suffix in (".safetensors", ".json")))


def _anew(source: str, options: PrepareOptions, progress: Progress) -> Plan:
    """A plan in place of the folder's; the earlier data set goes when it is there, and nothing else."""
    progress.note(f"reading {source}")
    found = list(files_of(options.out))
    return write_new(options.out, source, options, instead_of=found, note=progress.note)


def _check_whole(plan: Plan) -> None:
    """Raises `DataError` when the plan is not the one of the index: shards would be made of wrong lines."""
    try:
        index = read_index(plan.file.parent)
    except DataError:
        return  # it is written anew
    if not plan.began_as(index.plan):
        raise DataError(f"{plan.file}: it has changed since {INDEX} was written", hint=PLAN_CHANGED)


def _check_same(plan: Plan, source: str, options: PrepareOptions) -> None:
    """Raises `RunError` for other settings, another estimator, and another choice of clips unless some are
    to be added.
    """
    before: dict[str, object] = dict(plan.header.settings)
    now: dict[str, object] = dict(settings_of(options).table())
    if plan.choice is not None and options.mode != "extend":
        before, now = before | dict(plan.choice), now | dict(_choice(source, options))
    estimator = _estimator(options)
    if "" != plan.header.estimator != estimator != "":
        raise RunError(
            f"{options.depth_model}: the depth estimator has changed since {plan.file.parent} was planned",
            hint="give the one that was there, another --out, or --mode overwrite",
        )
    differ = [
        f"{name} = {before.get(name)} (now {value})"
        for name, value in now.items()
        if before.get(name) != value
    ]
    if differ:
        raise RunError(
            f"{plan.file.parent}: prepared with {', '.join(differ[:3])}",
            hint="give the same settings, another --out, or --mode overwrite",
        )


def _compare(plan: Plan, reader: Reader, options: PrepareOptions, progress: Progress) -> None:
    """Say what of the source is otherwise than when it was planned: shards are of the plan.

    The mode extend plans what is new.
    """
    planned_at, extends = plan.file.stat().st_mtime, options.mode == "extend"
    planned = {clip.id: clip.line() for shard in plan.shards() for clip in shard.clips}
    left, told = dict.fromkeys(planned), {item.line() for item in plan.skipped()}
    added: list[ClipRecord] = []
    lost: list[Skipped] = []
    changed = 0
    for item in reader:
        if isinstance(item, Skipped):
            lost += [item] * (item.line() not in told)
        elif item.id not in planned:
            added.append(item)
        else:
            left.pop(item.id, None)
            files = filter(None, (item.path, item.depth))
            changed += planned[item.id] != item.line() or any(_changed_since(f, planned_at) for f in files)
    found = {"differ": changed, "are new": 0 if extends else len(added), "are gone": len(left)}
    if words := ", ".join(f"{count} {what}" for what, count in found.items() if count):
        progress.note(
            f"clips of the source since this data set was planned: {words}; it stays as it was planned: "
            "--mode overwrite makes it anew, --mode extend adds new clips"
        )
    if not extends:
        return
    progress.note(f"{len(added)} clips are new")
    _append(plan, added, options)
    if lost:
        plan.passed_over(lost)


def _changed_since(path: str, moment: float) -> bool:
    """Of a member, whether its archive has changed; of a folder, whether any of its files has."""
    place, _ = parted(path)
    try:
        files = [place, *place.iterdir()] if place.is_dir() else [place]
        return any(file.stat().st_mtime > moment for file in files)
    except OSError:  # it is gone, which is told as it is read
        return False


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
    for split in sorted({clip.split or UNDIVIDED for clip in clips}):
        own = [clip for clip in clips if (clip.split or UNDIVIDED) == split]
        plan.extended(split, own, options.clips_per_shard)
