"""Which groups of frames a run trains on, and which are held out: of the world, of shards, or of a folder."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from frameweave.data.dataset import check_sums, is_dataset, read_index
from frameweave.data.plan import UNDIVIDED
from frameweave.data.reading import ShardGroups
from frameweave.data.text import captions_of
from frameweave.errors import InputError
from frameweave.training.options import TrainOptions
from frameweave.training.sources.clip_groups import ClipGroups
from frameweave.training.sources.folder import FolderGroups
from frameweave.training.sources.inputs import Captioned, MadeOfFiles
from frameweave.video.group import EncodedSource, FrameGroup, GroupSource
from frameweave.world.groups import WorldGroups


def check_data(options: TrainOptions) -> None:
    """Look at all that will be trained on, before anything is loaded or written.

    Raises `DataError` with the file that is damaged, has no captions or is too short, `InputError` for
    settings that do not fit the data.
    """
    sources(options)
    if options.prior is not None and isinstance(known := prior_source(options), FolderGroups):
        known.check()
    folder = Path(options.data)
    if options.data == "world":
        return
    if is_dataset(folder):
        check_sums(folder)
    elif options.every_frame:
        for held_out in (False, True):
            _of_clips(options, held_out=held_out).check()
    else:
        _in_folder(options).check()


def sources(options: TrainOptions) -> tuple[GroupSource, GroupSource]:
    """Groups to train on, and groups that are held out."""
    frames, stride, seed = options.frames, options.stride, options.seed
    _check_kind(options)
    if options.data == "world":
        return (
            WorldGroups(options.groups, frames, stride, seed),
            WorldGroups(options.held_out, frames, stride, seed, "held-out"),
        )
    folder = Path(options.data)
    if is_dataset(folder):
        return _from_shards(folder, options)
    if options.every_frame:
        others = _of_clips(options, held_out=True)
        return _of_clips(options, held_out=False), Part(others, _spread(len(others), options.held_out))
    every = _in_folder(options)
    cut = _cut(every, options)
    return Part(every, range(cut)), Part(every, range(cut, len(every)))


def prior_source(options: TrainOptions) -> GroupSource:
    """Groups that the model knows already, see `--prior`. Raises `DataError` where there are none."""
    assert options.prior is not None
    if options.prior == "world":
        return WorldGroups(options.groups, options.frames, options.stride, options.seed)
    return FolderGroups(Path(options.prior), options.frames, options.stride, options.seed)


def _check_kind(options: TrainOptions) -> None:
    """Raise `InputError` for what is said about videos where there are none."""
    for name, asked in (("every_frame", options.every_frame), ("shows", bool(options.shows))):
        if asked and (options.data == "world" or is_dataset(Path(options.data))):
            raise InputError(
                f"{name} with the data {options.data}, expected videos",
                hint=f"name a video or a folder of videos, or leave --{name.replace('_', '-')} out",
            )


def _shows(options: TrainOptions) -> tuple[str, ...]:
    """Captions of all videos, made plain. Raises `InputError` where they are given and say nothing."""
    found = captions_of(options.shows)
    if options.shows and not found:
        raise InputError("--shows says nothing", hint="write what the videos show")
    return found


def _in_folder(options: TrainOptions) -> FolderGroups:
    return FolderGroups(Path(options.data), options.frames, options.stride, options.seed, _shows(options))


def _of_clips(options: TrainOptions, *, held_out: bool) -> ClipGroups:
    return ClipGroups(Path(options.data), held_out, options.frames, options.stride, _shows(options))


def _from_shards(folder: Path, options: TrainOptions) -> tuple[GroupSource, GroupSource]:
    """The split train and clips of no split, and validate or test; without those the last clips are held out.

    Raises `InputError` for splits of other names, of which nobody knows what they are for.
    """
    index = read_index(folder)
    for name in ("frames", "stride", "resize"):
        if (found := index.settings.get(name)) != (asked := getattr(options, name)):
            raise InputError(
                f"{folder}: prepared with {name} {found}, expected {asked}",
                hint=f"give --{name} {found}, or prepare the videos again",
            )
    splits = {row.split for row in index.shards}
    held_out = [name for name in ("validate", "test") if name in splits]
    trained_on = tuple(name for name in ("train", UNDIVIDED) if name in splits)
    if len(splits) > 1 and not splits <= {"train", UNDIVIDED, "validate", "test"}:
        raise InputError(
            f"{folder}: the splits {', '.join(sorted(splits))}, expected train, and validate or test",
            hint="name them so in the source, or prepare one of them with --split",
        )
    if trained_on and held_out:
        others = ShardGroups(folder, held_out[0])
        return ShardGroups(folder, trained_on), Part(others, _spread(len(others), options.held_out))
    every = ShardGroups(folder)
    cut = _cut(every, options)
    cut -= every.about(cut).group  # to the first group of its clip, so that no clip is on both sides
    if not cut:
        raise InputError(
            f"{folder}: all {len(every)} groups are of one clip, and clips are held out whole",
            hint="prepare several videos; for a single one there is train personal",
        )
    held = range(cut, len(every))
    origins = {every.about(number).origin for number in held} - {""}
    free = range(cut) if not origins else [n for n in range(cut) if every.about(n).origin not in origins]
    if not free:
        raise InputError(
            f"{folder}: all clips are of the origins of held-out ones ({', '.join(sorted(origins)[:3])}), "
            "which are held out whole",
            hint="lower --held-out, or prepare clips of more videos",
        )
    return Part(every, free), Part(every, held)


def left_out(options: TrainOptions, trained: GroupSource, held_out: GroupSource) -> Iterator[str]:
    """How much of the data is neither trained on nor held out, and why, in words; both are of `sources`."""
    if isinstance(trained, Part) and (alike := len(trained.source) - len(trained) - len(held_out)):
        yield f"{options.data}: {alike} groups of the origins of held-out clips are not trained on"
    for name in (options.data, options.prior):
        if name in (None, "world") or not Path(name).is_dir() or is_dataset(Path(name)):
            continue
        folder = FolderGroups(Path(name))
        if below := folder.below():
            yield f"{name}: {below} videos in folders below are not trained on"
        if others := folder.of_other_splits():
            yield f"{name}: {others} videos of another split than train are not trained on"


def prepared_size(options: TrainOptions) -> int | None:
    """The longer side of the pictures in prepared shards; None for other data."""
    folder = Path(options.data)
    if options.data == "world" or not is_dataset(folder):
        return None
    return int(read_index(folder).settings["size"])


def _spread(count: int, most: int) -> Sequence[int]:
    """So many numbers at most, from all over: the first ones may all be of one clip."""
    return range(count) if count <= most else [number * count // most for number in range(most)]


def _cut(every: GroupSource, options: TrainOptions) -> int:
    """Where the held-out groups begin: a tenth of all at most."""
    if len(every) < 2:
        raise InputError(
            f"{options.data}: {len(every)} groups, expected at least 2",
            hint="give more videos: some groups are held out of training",
        )
    return len(every) - min(options.held_out, max(1, len(every) // 10))


@dataclass(frozen=True)
class Part:
    """Some groups of a source."""

    source: GroupSource
    numbers: Sequence[int]

    def __len__(self) -> int:
        return len(self.numbers)

    def key(self, index: int) -> str:
        return self.source.key(self.numbers[index])

    def contents(self) -> dict[str, str]:
        """See `MadeOfFiles`: of the whole source."""
        return self.source.contents() if isinstance(self.source, MadeOfFiles) else {}

    def captions(self) -> tuple[str, ...]:
        """See `Captioned`: of the whole source."""
        return self.source.captions() if isinstance(self.source, Captioned) else ()

    def group(self, index: int) -> FrameGroup:
        return self.source.group(self.numbers[index])

    def encoded(self, index: int, print_: str) -> tuple[dict[str, Tensor], tuple[str, ...]] | None:
        source = self.source
        return source.encoded(self.numbers[index], print_) if isinstance(source, EncodedSource) else None
