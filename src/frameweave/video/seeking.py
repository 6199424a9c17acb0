"""Single frames and stretches out of a video: only what is needed for them is decoded."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter

from frameweave.video.colours import Picture
from frameweave.video.opening import Opened, Video, opened
from frameweave.video.pixels import shown_size, upright
from frameweave.video.sequences import TimedPicture, is_pictures, sequence_of
from frameweave.video.timeline import Timeline, missing

_SKIPPING = ("h264", "hevc")  # whose decoders leave out what no other frame refers to, packet by packet


def frames_at(
    video: Video, line: Timeline, wanted: Sequence[int], *, threads: int = 0
) -> Iterator[tuple[int, Picture]]:
    """The upright frames of these numbers, in ascending order, each once.

    Decoding starts at the nearest frame before that can be decoded alone, on `threads` threads (0
    means as many as there are cores). Raises `InputError` when a frame cannot be decoded.
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
        frames, reached, jumps = _frames(file, needed), -1, True
        try:
            while left:
                if jumps and (start := line.start_before(left[0])) > reached + 1:
                    file.seek(line.stamps[start])
                    frames = _frames(file, needed)
                frame = None
                for frame in frames:
                    reached = number.get(frame.pts or 0, reached) if number else reached + 1
                    if reached >= left[0]:
                        break
                if frame is not None and reached == left[0]:
                    size = line.size or shown_size(frame)
                    yield left.pop(0), upright(frame, converter, size)
                elif jumps and number:  # the jump went too far: once more from the start, without any
                    file.seek(line.stamps[0])
                    frames, reached, jumps = _frames(file, None), -1, False
                else:
                    raise missing(video, left[0], len(line))
        except av.FFmpegError as error:
            raise missing(video, left[0], len(line)) from error


def frames_between(video: Path, line: Timeline, since: int, until: int) -> Iterator[TimedPicture]:
    """The frames from number `since` up to, not with, number `until`, with their times."""
    for index, pixels in frames_at(video, line, range(since, until)):
        after = line.times[index + 1] if index + 1 < len(line) else None
        before = line.times[index] - line.times[index - 1] if index else Fraction(1, 25)
        time = line.times[index]
        yield TimedPicture(pixels, time, before if after is None else after - time)


def _frames(file: Opened, needed: frozenset[int] | None) -> Iterator[VideoFrame]:
    """Decode on; where it is known what is needed, without the frames that no other refers to."""
    for packet in file.packets():
        if needed is not None:
            wanted = packet.pts is None or packet.pts in needed
            file.decoder.skip_frame = "DEFAULT" if wanted else "NONREF"
        yield from file.decoded(packet)
