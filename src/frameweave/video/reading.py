"""Read video files and folders of pictures, frame by frame, upright, with their times.

Only local files in known container formats are opened: playlists and network addresses are
refused. Memory does not grow with the length of the video.
"""

import re
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from io import BufferedIOBase
from itertools import islice
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.video.reformatter import VideoReformatter
from PIL import Image

from frameweave.errors import InputError
from frameweave.video.colours import BT709, Colours, Picture
from frameweave.video.pixels import notes_of, shape_of, upright

MAX_PIXELS = 64_000_000  # per frame: twice 8K
VIDEOS = (".mp4", ".mov", ".mkv", ".webm", ".avi", ".gif", ".m4v", ".mpg", ".mpeg", ".ts")
PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
_OPTIONS = {
    "protocol_whitelist": "file",
    "format_whitelist": "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,gif,mpegts,mpeg,flv,ogg,asf,apng",
}
FOLDER_FPS = Fraction(8)
UNREADABLE = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)
"""What PIL raises for a picture that is damaged; for some chunks of PNG files a `SyntaxError`."""


@dataclass(frozen=True, kw_only=True)
class VideoInfo:
    """What is known about a video before it is decoded. `width` and `height` are as shown (upright)."""

    path: Path
    width: int
    height: int
    fps: Fraction
    """Average frames per second."""
    frames: int
    """Number of frames that the file declares; 0 when it does not say."""
    rotation: int
    """Degrees by which the stored picture is turned for showing: 0, 90, 180 or 270."""
    pixel_shape: Fraction
    """Width of a pixel over its height, as shown; 1 for squares."""
    has_audio: bool
    colours: Colours
    """How the file stores colours, which what is made of it keeps."""
    notes: tuple[str, ...]
    """What reading will change, in words, e.g. transparency laid on white."""


@dataclass(frozen=True)
class TimedPicture:
    """One upright frame, when it starts and how long it lasts, in seconds."""

    pixels: Picture
    time: Fraction
    duration: Fraction


def probe(path: Path) -> VideoInfo:
    """Size, rate and other facts of a video file or a folder of pictures.

    Raises `InputError` when there is no video, its first frame is damaged, or its frames are too large
    to decode.
    """
    if is_pictures(path):
        return _probe_folder(path)
    with opened(path) as container:
        stream = container.streams.video[0]
        check_size(path, stream.codec_context.width, stream.codec_context.height)
        try:
            first = next(container.decode(stream), None)
        except av.FFmpegError as error:
            raise _torn(path, 0, stream.frames) from error
        if first is None:
            raise InputError(f"{path}: found no frame", hint="give a video with at least one frame")
        turned = first.rotation % 360
        size = (first.height, first.width) if turned in (90, 270) else (first.width, first.height)
        return VideoInfo(
            path=path,
            width=size[0],
            height=size[1],
            fps=Fraction(stream.average_rate or stream.guessed_rate or 25),
            frames=stream.frames,
            rotation=turned,
            pixel_shape=shape_of(stream, turned),
            has_audio=bool(container.streams.audio),
            colours=Colours.of(first),
            notes=notes_of(stream, first),
        )


def read_frames(path: Path, *, first: int | None = None) -> Iterator[TimedPicture]:
    """Stream the frames of a file or folder, upright and in order; at most `first` of them.

    Times start at 0. Raises `InputError` when the file is broken, naming the last good frame.
    """
    if is_pictures(path):
        yield from islice(folder_frames(path), first)
        return
    with opened(path) as container:
        stream = container.streams.video[0]
        check_size(path, stream.codec_context.width, stream.codec_context.height)
        stream.thread_type = "AUTO"
        usual = 1 / Fraction(stream.average_rate or stream.guessed_rate or 25)
        start: Fraction | None = None
        count, converter = 0, VideoReformatter()
        try:
            for frame in islice(container.decode(stream), first):
                unit = Fraction(frame.time_base or stream.time_base or usual)
                now = frame.pts * unit if frame.pts is not None else (start or 0) + count * usual
                start = now if start is None else start
                lasts = frame.duration * unit if frame.duration else usual
                yield TimedPicture(upright(frame, converter), now - start, lasts)
                count += 1
        except av.FFmpegError as error:
            raise _torn(path, count, stream.frames) from error
        if count == 0:
            raise InputError(f"{path}: found no frame", hint="give a video with at least one frame")
        if first is None and count < 0.9 * stream.frames:
            raise _torn(path, count, stream.frames)


def resampled(pictures: Iterator[TimedPicture], fps: Fraction | float) -> Iterator[TimedPicture]:
    """The same duration at a constant rate: each new frame is the one shown at its time.

    Raises `InputError` unless fps is positive.
    """
    if fps <= 0:
        raise InputError(f"{float(fps):g} frames per second, expected more than 0", hint="8 is usual")
    rate, count = Fraction(fps).limit_denominator(1001), 0
    last: TimedPicture | None = None
    for picture in pictures:
        while last is not None and count / rate < picture.time:
            yield TimedPicture(last.pixels, count / rate, 1 / rate)
            count += 1
        last = picture
    if last is not None:
        for index in range(count, max(1, round((last.time + last.duration) * rate))):
            yield TimedPicture(last.pixels, index / rate, 1 / rate)


def _torn(path: Path, good: int, declared: int) -> InputError:
    of = f" of {declared}" if declared else ""
    return InputError(
        f"{path}: decoding stopped after {good}{of} frames, the file is truncated or damaged",
        hint=f"copy it again, or use its good part with --frames {good}" if good else "copy it again",
    )


@contextmanager
def opened(video: Path | BufferedIOBase) -> Generator[InputContainer, None, None]:
    """The container of a file, or of bytes that can be sought in; it has pictures.

    Raises `InputError` when it has none, none that can be decoded, or is no video.
    """
    path = name_of(video)
    if isinstance(video, Path) and not video.exists():
        raise InputError(f"{path}: no such file", hint="check the path of the video", reason="missing")
    options = _OPTIONS | {"max_pixels": str(MAX_PIXELS)}
    try:
        source = str(video.absolute()) if isinstance(video, Path) else video
        container = av.open(source, "r", options=options, container_options=_OPTIONS)
    except (av.FFmpegError, OSError, ValueError) as error:
        raise InputError(
            f"{path}: not a readable video ({_reason(error)})",
            hint="give an mp4, mov, webm, mkv, avi or gif file, or a folder of pictures",
            reason="not_a_video",
        ) from error
    with container:
        if not container.streams.video:
            found = "only sound" if container.streams.audio else "no video stream"
            raise InputError(
                f"{path}: found {found}, expected a video",
                hint="give a file with pictures",
                reason="no_pictures",
            )
        if getattr(container.streams.video[0], "codec_context", None) is None:
            raise InputError(
                f"{path}: its pictures are in no known format",
                hint="copy it again, or convert it to H.264 first",
                reason="not_a_video",
            )
        yield container


def name_of(video: Path | BufferedIOBase) -> Path:
    """What errors call it."""
    return video if isinstance(video, Path) else Path(str(getattr(video, "name", "the video")))


def _reason(error: BaseException) -> str:
    text = getattr(error, "strerror", None) or str(error)
    return str(text).strip().lower()


def check_size(path: Path, width: int, height: int) -> None:
    """Raise `InputError` for frames that are too large to decode, or have no size."""
    if width * height > MAX_PIXELS:
        raise InputError(
            f"{path}: frames of {width} x {height}, at most {MAX_PIXELS // 10**6} million pixels are read",
            hint="scale the video down first",
            reason="too_large",
        )
    if width < 1 or height < 1:
        raise InputError(
            f"{path}: the file gives no frame size, or one of more than {MAX_PIXELS // 10**6} million pixels",
            hint="scale the video down, or copy it again",
            reason="too_large",
        )


def is_pictures(path: Path) -> bool:
    """Whether this is a picture or a folder, and not a video file."""
    return path.is_dir() or path.suffix.lower() in PICTURES


def pictures_of(folder: Path) -> list[Path]:
    """The pictures of a folder in the order of their numbers, or the one picture.

    Raises `InputError` when there is none."""
    if folder.is_file():
        return [folder]
    if not folder.is_dir():
        raise InputError(f"{folder}: no such file", hint="check the path of the picture")
    found = sorted((path for path in folder.iterdir() if path.suffix.lower() in PICTURES), key=counted)
    if not found:
        raise InputError(
            f"{folder}: found no picture", hint=f"give a folder of {', '.join(s[1:] for s in PICTURES)} files"
        )
    return found


def counted(path: Path) -> list[tuple[int, str]]:
    """A key that sorts 10.png behind 9.png: digits by their value, the rest as text."""
    return [(int(part) if part.isdecimal() else -1, part) for part in re.split(r"(\d+)", path.name)]


def _probe_folder(folder: Path) -> VideoInfo:
    found = pictures_of(folder)
    with opened_picture(found[0]) as image:
        width, height = image.size
    check_size(found[0], width, height)
    return VideoInfo(
        path=folder,
        width=width,
        height=height,
        fps=FOLDER_FPS,
        frames=len(found),
        rotation=0,
        pixel_shape=Fraction(1),
        has_audio=False,
        colours=BT709,
        notes=(f"pictures are read at {FOLDER_FPS} frames per second",),
    )


@contextmanager
def opened_picture(path: Path) -> Generator[Image.Image, None, None]:
    try:
        with Image.open(path) as image:
            yield image
    except UNREADABLE as error:
        raise InputError(
            f"{path}: not a readable picture ({_reason(error)})", hint="remove or replace it"
        ) from error


def folder_frames(folder: Path, wanted: Sequence[int] | None = None) -> Iterator[TimedPicture]:
    """The pictures of a folder as frames: all, or those of the numbers wanted, in that order."""
    size: tuple[int, int] | None = None
    found = pictures_of(folder)
    for index in range(len(found)) if wanted is None else wanted:
        path = found[index]
        with opened_picture(path) as image:
            check_size(path, *image.size)
            size = size or image.size
            if image.size != size:
                raise InputError(
                    f"{path}: {image.width} x {image.height} pixels, the first has {size[0]} x {size[1]}",
                    hint="scale all pictures to one size",
                )
            rgba = image.convert("RGBA")
            pixels = np.asarray(Image.alpha_composite(Image.new("RGBA", size, "white"), rgba).convert("RGB"))
        yield TimedPicture(pixels, index / FOLDER_FPS, 1 / FOLDER_FPS)
