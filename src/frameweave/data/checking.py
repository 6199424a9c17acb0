"""Whether a data set is what its index says, and whether its splits can be trusted."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from frameweave.data.dataset import Index, Row, read_index
from frameweave.data.plan import PLAN, UNDIVIDED, Plan, split_of
from frameweave.data.reading import ShardGroups
from frameweave.data.shards.seal import made_in, read_seal, successes
from frameweave.data.shards.tars import read_members
from frameweave.errors import DataError
from frameweave.progress import SILENT, Progress
from frameweave.runs.atomic import sha256


@dataclass(frozen=True)
class Checked:
    """What was found: faults make the data set unfit, remarks do not."""

    faults: list[str] = field(default_factory=list[str])
    remarks: list[str] = field(default_factory=list[str])


def check(folder: Path, *, progress: Progress = SILENT) -> Checked:
    """Verify sums, members and plan, decode every group, and compare the splits.

    Raises `DataError` when there is no finished data set.
    """
    found = Checked()
    index = read_index(folder)
    if not (folder / PLAN).is_file() or sha256(folder / PLAN) != index.plan:
        found.faults.append(f"{PLAN} is missing or has changed since the index was written")
    for row in progress.track(index.shards, "checking shards"):
        faults = row.all_faults(folder) or list(_shard(folder, row))
        found.faults.extend(faults)
    if not found.faults:
        found.faults.extend(_groups(folder, progress))
        found.faults.extend(_shared_origins(folder))
        found.faults.extend(_twice(folder, index))
        for across, told in _copies(folder, index):
            (found.faults if across else found.remarks).append(told)
    return found


def _shard(folder: Path, row: Row) -> Iterator[str]:
    """Faults of the members: the seal must tell of each where it lies."""
    try:
        members = tuple(read_members(folder / f"{row.shard}.tar"))
        if members != read_seal(folder, row.shard).members:
            yield f"{row.shard}.tar: its members are not those that its seal names"
    except DataError as error:
        yield str(error)


def _groups(folder: Path, progress: Progress) -> Iterator[str]:
    groups, sizes = ShardGroups(folder), set[tuple[int, ...]]()
    for number in progress.track(range(len(groups)), "decoding groups"):
        try:
            group = groups.group(number)
        except DataError as error:
            yield str(error)
            continue
        sizes.add(tuple(group.frames.shape))
        if not group.captions:
            yield f"group {number} ({groups.about(number).clip}): no caption"
    if len(sizes) > 1:
        yield f"groups of {len(sizes)} different shapes: {sorted(sizes)}"


def _shared_origins(folder: Path) -> Iterator[str]:
    """Clips cut from one video that lie in several splits: training would see what is tested."""
    splits: defaultdict[str, set[str]] = defaultdict(set)
    for shard in Plan.open(folder).shards():
        for clip in shard.clips:
            if clip.origin:
                splits[clip.origin].add(clip.split or UNDIVIDED)
    shared = sorted(origin for origin, names in splits.items() if len(names) > 1)
    if shared:
        yield f"{len(shared)} origins lie in several splits, such as {', '.join(shared[:3])}"


def _twice(folder: Path, index: Index) -> Iterator[str]:
    """Clips whose groups are there more than once: training would see them more often than others."""
    shards: defaultdict[str, list[str]] = defaultdict(list)
    for row in index.shards:
        for clip in successes(folder, row.shard):
            shards[clip].append(row.shard)
    twice = sorted(clip for clip, names in shards.items() if len(names) > 1)
    if twice:
        first = f"{twice[0]} in {' and '.join(shards[twice[0]])}"
        yield f"{len(twice)} clips gave groups in several shards, such as {first}"


def _copies(folder: Path, index: Index) -> Iterator[tuple[bool, str]]:
    """Videos that are there more than once, and whether in several splits."""
    clips: defaultdict[str, dict[str, str]] = defaultdict(dict[str, str])
    for row in index.shards:
        for made in made_in(folder, row.shard):
            if made.source is not None and made.source.sha256:
                clips[made.source.sha256][made.clip] = split_of(row.shard)
    copies = sorted((list(names), len({*names.values()}) > 1) for names in clips.values() if len(names) > 1)
    for across, where in ((True, "in several splits"), (False, "more than once")):
        if found := [names for names, several in copies if several == across]:
            yield across, f"{len(found)} videos are there {where}, such as {', '.join(found[0][:3])}"
