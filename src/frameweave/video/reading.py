"""Read video files and folders of pictures, frame by frame, upright, with their times.

Memory does not grow with the length of the video.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
from av.video.reformatter import VideoReformatter

from frameweave.errors import InputError
from frameweave.progress import SILENT
from frameweave.video.colours import BT709, Colours
from frameweave.video.opening import Opened, opened
from frameweave.video.pixels import notes_of, shape_of, shown_size, upright
from frameweave.video.sequences import TimedPicture, is_pictures, sequence_of
from frameweave.video.timeline import DAMAGED

_USUAL = (".mp4", ".mov", ".mkv", ".webm", ".avi", ".gif", ".m4v", ".mpg", ".mpeg", ".ts")
VIDEOS = (*_USUAL, ".m2ts", ".mts", ".3gp", ".3g2", ".flv", ".ogv", ".wmv")
"""How the names of videos end, the usual first: of all formats that `opened` takes."""


@dataclass(frozen=True, kw_only=True)
class VideoInfo:
    """What is known about a video before it is decoded. `width` and `height` are as shown (upright)."""

    path: Path
    width: int
    height: int
    fps: Fraction
    """Average frames per second."""
    frames: int
    """Number of frames that the file declares; 0 when it does not say, and not always true."""
    rotation: int
    """Degrees by which the stored picture is turned for showing: 0, 90, 180 or 270."""
    pixel_shape: Fraction
    """Width of a pixel over its height, as shown; 1 for squares."""
    has_audio: bool
    colours: Colours
    """How the file stores colours, which what is made of it keeps."""
    timed: bool
    """Whether the file tells when frames are shown; a folder of pictures does not."""
    notes: tuple[str, ...]
    """What reading will change, in words, e.g. transparency laid on white."""


def probe(path: Path | str) -> VideoInfo:
    """Size, rate and other facts of a video file or a folder of pictures.

    Raises `InputError` when there is no video, its first frame is damaged, or its frames are too large
    to decode.
    """
    path = Path(path)
    if is_pictures(path):
        return _probe_pictures(path)
    with opened(path) as video:
        try:
            first = next(video.frames(), None)
        except av.FFmpegError as error:
            raise _torn(video, 0) from error
        if first is None:
            raise _empty(video)
        width, height = shown_size(first)
        return VideoInfo(
            path=path,
            width=width,
            height=height,
            fps=video.rate,
            frames=video.stream.frames,
            rotation=first.rotation % 360,
            pixel_shape=shape_of(video, first),
            has_audio=bool(video.container.streams.audio),
            colours=Colours.of(first),
            timed=True,
            notes=notes_of(video, first),
        )


def _probe_pictures(path: Path) -> VideoInfo:
    found = sequence_of(path)
    return VideoInfo(
        path=path,
        width=found.size[0],
        height=found.size[1],
        fps=len(found) / sum(found.durations, Fraction(0)),
        frames=len(found),
        rotation=0,
        pixel_shape=Fraction(1),
        has_audio=False,
        colours=BT709,
        timed=found.timed,
        notes=(),
    )


def read_frames(
    path: Path | str,
    *,
    first: int | None = None,
    background: int = 255,
    note: Callable[[str], object] = SILENT.note,
) -> Iterator[TimedPicture]:
    """Stream the frames of a file or folder, upright and in order; at most `first` of them.

    Times start at 0, and each is later than the one before. Frames of another size are scaled to the first
    one's. Transparency is laid on grey of the value `background`. `note` is told what was mended. Raises
    `InputError` when the file is broken, naming the last good frame.
    """
    path = Path(path)
    if is_pictures(path):
        yield from islice(sequence_of(path).frames(background=background), first)
        return
    with opened(path) as video:
        converter, clock = VideoReformatter(), video.clock()
        size: tuple[int, int] | None = None
        count = 0
        try:
            for frame in islice(video.frames(), first):
                unit = Fraction(frame.time_base or video.unit)
                repaired = clock.repaired
                now = clock.at(None if frame.pts is None else frame.pts * unit)
                if clock.repaired > repaired:
                    note(clock.note)
                found = shown_size(frame)
                size = size or found
                if found != size:
                    note(f"frames of {found[0]} x {found[1]} are scaled to the first's {size[0]} x {size[1]}")
                if frame.is_corrupt:
                    note(DAMAGED)
                lasts = frame.duration * unit if frame.duration else clock.usual
                yield TimedPicture(upright(frame, converter, size, background=background), now, lasts)
                count += 1
        except av.FFmpegError as error:
            raise _torn(video, count) from error
        if count == 0:
            raise _empty(video)
        if video.lacks_samples and (first is None or count < first):
            raise _torn(video, count)


def resampled(pictures: Iterator[TimedPicture], fps: Fraction | float) -> Iterator[TimedPicture]:
    """The same duration at a constant rate: each new frame is the one shown at its time.

    Raises `InputError` unless fps is positive.
    """
    rate, count = rate_of(fps), 0
    last: TimedPicture | None = None
    for picture in pictures:
        while last is not None and count / rate < picture.time:
            yield TimedPicture(last.pixels, count / rate, 1 / rate)
            count += 1
        last = picture
    if last is not None:
        for index in range(count, max(1, round((last.time + last.duration) * rate))):
            yield TimedPicture(last.pixels, index / rate, 1 / rate)


def rate_of(fps: Fraction | float) -> Fraction:
    """Frames per second as a fraction. Raises `InputError` unless it is positive."""
    rate = Fraction(fps).limit_denominator(1001) or Fraction(fps).limit_denominator(90_000)
    if rate <= 0:
        raise InputError(f"{float(fps):g} frames per second, expected more than 0", hint="8 is usual")
    return rate


def _empty(video: Opened) -> InputError:
    return InputError(f"{video.name}: found no frame", hint="give a video with at least one frame")


def _torn(video: Opened, good: int) -> InputError:
    of = f" of {video.stream.frames}" if video.stream.frames > good else ""
    return InputError(
        f"{video.name}: decoding stopped after {good}{of} frames, the file is truncated or damaged",
        hint=f"copy it again, or use its good part with --frames {good}" if good else "copy it again",
        reason="truncated",
    )
