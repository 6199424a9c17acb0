"""Single frames out of a video: all frame times are known without decoding, then only what is needed is."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from io import BufferedIOBase
from pathlib import Path

import av
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from frameweave.errors import InputError
from frameweave.video.colours import Picture
from frameweave.video.pixels import upright
from frameweave.video.reading import (
    FOLDER_FPS,
    check_size,
    folder_frames,
    is_pictures,
    name_of,
    opened,
    pictures_of,
)

MAX_FRAMES = 1_000_000
"""Eleven hours at 25 frames per second: what has more is no clip."""
_PARTIAL = ("gif", "apng")  # whose frames may show only what changed, though each claims to be whole
_SKIPPING = ("h264", "hevc")  # whose decoders leave out what no other frame refers to, packet by packet

Video = Path | BufferedIOBase
"""A file, a folder of pictures, or bytes that can be sought in."""


@dataclass(frozen=True)
class Timeline:
    """When each frame is shown, in seconds from the first, and at which frames decoding can start."""

    times: tuple[Fraction, ...]
    starts: tuple[int, ...] = (0,)
    stamps: tuple[int, ...] = ()
    """The frames' times in the stream's own unit; empty when frames can only be counted."""

    def __len__(self) -> int:
        return len(self.times)

    def start_before(self, frame: int) -> int:
        """The last frame at which decoding can start in order to reach this one."""
        return self.starts[max(0, bisect_right(self.starts, frame) - 1)]


def timeline(video: Video) -> Timeline:
    """Read a video's packets, without decoding them where the format tells their times.

    Raises `InputError` when there is no frame, or more than a million, or many fewer than declared.
    """
    if isinstance(video, Path) and is_pictures(video):
        count = len(pictures_of(video))
        return Timeline(tuple(index / FOLDER_FPS for index in range(count)), tuple(range(count)))
    packets: list[tuple[int | None, bool]] = []
    with opened(video) as container:
        stream = _stream(container, video, threads=1)
        partial = any(name in container.format.name for name in _PARTIAL)
        unit = Fraction(stream.time_base or Fraction(1, 1000))
        rate, declared = Fraction(stream.average_rate or stream.guessed_rate or 25), stream.frames
        try:
            for packet in container.demux(stream):
                if packet.size and not packet.is_discard:
                    packets.append((packet.pts, packet.is_keyframe))
                if len(packets) > MAX_FRAMES:
                    raise InputError(
                        f"{name_of(video)}: more than {MAX_FRAMES:,} frames",
                        hint="cut it up",
                        reason="too_long",
                    )
        except av.FFmpegError as error:
            if not packets:
                raise _missing(video, 0, 0) from error
    if not packets:
        raise InputError(
            f"{name_of(video)}: found no frame",
            hint="give a video with at least one frame",
            reason="too_short",
        )
    if len(packets) < 0.9 * declared:
        raise _missing(video, len(packets), declared)
    known = sorted((stamp, key) for stamp, key in packets if stamp is not None)
    stamps = tuple(stamp for stamp, _ in known)
    if len(known) < len(packets) or len(set(stamps)) < len(stamps):
        return Timeline(tuple(index / rate for index in range(len(packets))))
    starts = tuple(index for index, (_, key) in enumerate(known) if key)
    times = tuple((stamp - stamps[0]) * unit for stamp in stamps)
    return Timeline(times, (0,) if partial or not starts else starts, stamps)


def frames_at(
    video: Video, line: Timeline, wanted: Sequence[int], *, threads: int = 0
) -> Iterator[tuple[int, Picture]]:
    """The upright frames of these numbers, in ascending order, each once.

    Decoding starts at the nearest frame before that can be decoded alone, on `threads` threads (0
    means as many as there are cores). Raises `InputError` when a frame cannot be decoded.
    """
    left = sorted(set(wanted))
    if isinstance(video, Path) and is_pictures(video):
        shown = folder_frames(video, left)
        yield from ((index, picture.pixels) for index, picture in zip(left, shown, strict=True))
        return
    with opened(video) as container:
        stream = _stream(container, video, threads)
        number = {stamp: index for index, stamp in enumerate(line.stamps)}
        converter = VideoReformatter()
        skips = threads == 1 and line.stamps and stream.codec_context.name in _SKIPPING
        needed = frozenset(line.stamps[frame] for frame in left) if skips else None
        frames, reached, jumps = _frames(container, stream, needed), -1, True
        try:
            while left:
                if jumps and (start := line.start_before(left[0])) > reached + 1:
                    container.seek(line.stamps[start], stream=stream)
                    frames = _frames(container, stream, needed)
                frame = None
                for frame in frames:
                    reached = number.get(frame.pts or 0, reached) if number else reached + 1
                    if reached >= left[0]:
                        break
                if frame is not None and reached == left[0]:
                    yield left.pop(0), upright(frame, converter)
                elif jumps and number:  # the jump went too far: once more from the start, without any
                    container.seek(line.stamps[0], stream=stream)
                    frames, reached, jumps = _frames(container, stream, None), -1, False
                else:
                    raise _missing(video, left[0], len(line))
        except av.FFmpegError as error:
            raise _missing(video, left[0], len(line)) from error


def _frames(
    container: InputContainer, stream: VideoStream, needed: frozenset[int] | None
) -> Iterator[VideoFrame]:
    """Decode on; where it is known what is needed, without the frames that no other refers to."""
    for packet in container.demux(stream):
        if needed is not None:
            wanted = packet.pts is None or packet.pts in needed
            stream.codec_context.skip_frame = "DEFAULT" if wanted else "NONREF"
        yield from packet.decode()


def _stream(container: InputContainer, video: Video, threads: int) -> VideoStream:
    stream = container.streams.video[0]
    check_size(name_of(video), stream.codec_context.width, stream.codec_context.height)
    stream.thread_count = threads
    stream.thread_type = "AUTO" if threads != 1 else "NONE"
    return stream


def _missing(video: Video, frame: int, count: int) -> InputError:
    return InputError(
        f"{name_of(video)}: frame {frame} of {count} cannot be decoded, the file is truncated or damaged",
        hint="copy it again",
        reason="truncated",
    )
