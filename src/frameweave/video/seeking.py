"""Single frames and stretches out of a video: only what is needed for them is decoded."""

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
from av.video.frame import PictureType, VideoFrame
from av.video.reformatter import VideoReformatter

from frameweave.progress import SILENT
from frameweave.video.colours import Picture
from frameweave.video.opening import Opened, Video, opened
from frameweave.video.pixels import shown_size, upright
from frameweave.video.sequences import TimedPicture, is_pictures, sequence_of
from frameweave.video.timeline import DAMAGED, Timeline, damaged, missing

_SKIPPING = ("h264", "hevc")  # whose decoders leave out what no other frame refers to, packet by packet


def frames_at(
    video: Video,
    line: Timeline,
    wanted: Sequence[int],
    *,
    threads: int = 0,
    whole: bool = False,
    note: Callable[[str], object] = SILENT.note,
) -> Iterator[tuple[int, Picture]]:
    """The upright frames of these numbers, in ascending order, each once.

    Decoding starts at the nearest frame before that can be decoded alone, on `threads` threads (0
    means as many as there are cores). Frames that are damaged, or made of damaged ones, are told to `note`;
    where all must be `whole` they are errors. Raises `InputError` when a frame cannot be decoded.
    """
    left = sorted(set(wanted))
    if isinstance(video, Path) and is_pictures(video):
        shown = sequence_of(video).frames(left)
        yield from ((index, picture.pixels) for index, picture in zip(left, shown, strict=True))
        return
    with opened(video, threads=threads) as file:
        number = {stamp: index for index, stamp in enumerate(line.stamps)}
        converter = VideoReformatter()
        skips = threads == 1 and line.stamps and file.decoder.name in _SKIPPING and not file.reordered
        needed = frozenset(line.stamps[frame] for frame in left) if skips else None
        frames, reached, jumps, damage = _judged(_frames(file, needed)), -1, True, False
        try:
            while left:
                if jumps and (start := line.start_before(left[0])) > reached + 1:
                    file.seek(line.stamps[start])
                    frames = _judged(_frames(file, needed))
                frame, damage = None, False
                for frame, damage in frames:  # noqa: B007 - that of the last one counts
                    reached = number.get(frame.pts or 0, reached) if number else reached + 1
                    if reached >= left[0]:
                        break
                if frame is not None and reached == left[0] and not (damage and jumps and number):
                    if damage and whole:
                        raise damaged(video, left[0], len(line))
                    if damage:
                        note(DAMAGED)
                    size = line.size or shown_size(frame)
                    yield left.pop(0), upright(frame, converter, size)
                elif jumps and number:  # the jump may go too far: once more from the start, without any
                    file.seek(line.stamps[0])
                    frames, reached, jumps = _judged(_frames(file, None)), -1, False
                else:
                    raise missing(video, left[0], len(line))
        except av.FFmpegError as error:
            raise missing(video, left[0], len(line)) from error


def frames_between(
    video: Path, line: Timeline, since: int, until: int, *, note: Callable[[str], object] = SILENT.note
) -> Iterator[TimedPicture]:
    """The frames from number `since` up to, not with, number `until`, with their times; see `frames_at`."""
    for index, pixels in frames_at(video, line, range(since, until), note=note):
        after = line.times[index + 1] if index + 1 < len(line) else None
        before = line.times[index] - line.times[index - 1] if index else Fraction(1, 25)
        time = line.times[index]
        yield TimedPicture(pixels, time, before if after is None else after - time)


def _judged(frames: Iterator[VideoFrame]) -> Iterator[tuple[VideoFrame, bool]]:
    """Each frame, and whether it shows damage: its own, or that of others on which it may be built.

    Frames are built on those before them, back to a key frame; those that look both ways also on the next
    one that does not, and on each other.
    """
    spreads, between = False, list[VideoFrame]()
    for frame in frames:
        if frame.pict_type == PictureType.B:
            between.append(frame)
            continue
        damaged_between = spreads or frame.is_corrupt or any(one.is_corrupt for one in between)
        yield from ((one, damaged_between) for one in between)
        between.clear()
        spreads = frame.is_corrupt or (spreads and not frame.key_frame)
        yield frame, spreads
    yield from ((one, spreads or any(other.is_corrupt for other in between)) for one in between)


def _frames(file: Opened, needed: frozenset[int] | None) -> Iterator[VideoFrame]:
    """Decode on; where it is known what is needed, without the frames that no other refers to."""
    for packet in file.packets():
        if needed is not None:
            wanted = packet.pts is None or packet.pts in needed
            file.decoder.skip_frame = "DEFAULT" if wanted else "NONREF"
        yield from file.decoded(packet)
