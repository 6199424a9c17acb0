"""Write video files frame by frame, atomically, with the source's sound put back."""

from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import av
import numpy as np
from av.container import OutputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from PIL import Image

from frameweave.errors import InputError
from frameweave.runs.atomic import staged
from frameweave.video.along import Along, Carried, found_in
from frameweave.video.colours import BT709, Colours, FrameMaker, Picture
from frameweave.video.sound import Sound


@dataclass(frozen=True)
class _Format:
    codec: str
    options: dict[str, str]
    carried: Carried
    """What goes along unchanged."""
    tick: Fraction = Fraction(1, 90_000)
    """Seconds that are told apart."""
    shaped: bool = True
    """Whether files tell the shape of their pixels."""
    siting: str = "left"
    """Where decoders take chroma samples to lie between their pixels."""


# with macroblock trees the encoder's threads give other bytes from run to run
H264 = {"crf": "16", "preset": "medium", "x264-params": "mbtree=0"}
"""Settings of the encoder for small videos, whose files are small anyway."""
_LARGE = 256 * 256
"""Pixels from which a video is large: macroblock trees save a good part of its file. Its threads are of a
number that no machine changes, so that the same frames are the same bytes on all of them."""
_LARGE_H264 = H264 | {"x264-params": "threads=4:lookahead-threads=1"}
_USUAL = ("aac", "mp3", "ac3", "alac")
_PCM = ("pcm_s16le", "pcm_s24le", "pcm_s32le", "pcm_f32le")
_RARE = ("opus", "vorbis", "flac", "mp2", "dts", "truehd")
_TEXTS = ("subrip", "ass", "webvtt", "dvd_subtitle", "hdmv_pgs_subtitle")
_FORMATS = {
    ".mp4": _Format("libx264", H264, Carried((*_USUAL, "eac3", "opus"), ("mov_text",))),
    ".mov": _Format("libx264", H264, Carried((*_USUAL, *_PCM), ("mov_text",))),
    ".mkv": _Format("libx264", H264, Carried((*_USUAL, "eac3", *_PCM, *_RARE), _TEXTS)),
    ".webm": _Format(
        "libvpx-vp9",
        {"crf": "24", "b": "0", "row-mt": "1"},
        Carried(("opus", "vorbis"), ("webvtt",)),
        shaped=False,
        siting="center",
    ),
    ".gif": _Format("gif", {}, Carried(), tick=Fraction(1, 100)),
}
SUFFIXES = tuple(_FORMATS)


def tells_pixel_shape(suffix: str) -> bool:
    """Whether videos of this suffix, one of `SUFFIXES`, can have pixels that are not square."""
    return _FORMATS[suffix].shaped


def lost_along(along: Along, suffix: str) -> tuple[str, ...]:
    """What of a file's sound, subtitles and title is lost in a video of that suffix, in words."""
    return found_in(along, _FORMATS[suffix].carried).notes


def lost_by_size(suffix: str, size: tuple[int, int]) -> tuple[str, ...]:
    """What videos of that suffix and size may lack, in words."""
    if _FORMATS[suffix].codec != "libx264" or not (size[0] % 2 or size[1] % 2):
        return ()
    return (f"{size[0]} x {size[1]} is odd: the result is 4:4:4, which some players do not show",)


_MOST_OF_GIF = 100
"""Frames per second: a gif tells hundredths of a second apart."""


def lost_in(
    suffix: str, along: Along, size: tuple[int, int], pixel_shape: Fraction, fps: Fraction | float = 0
) -> tuple[str, ...]:
    """All that a video of that suffix, one of `SUFFIXES`, does not hold of what is written, in words."""
    shape = "this format cannot tell the shape of pixels: the result is shown with square ones"
    shapes = () if pixel_shape == 1 or tells_pixel_shape(suffix) else (shape,)
    return (*lost_along(along, suffix), *lost_by_size(suffix, size), *shapes, *lost_by_rate(suffix, fps))


def lost_by_rate(suffix: str, fps: Fraction | float) -> tuple[str, ...]:
    """Frames that a video of that suffix does not show, in words."""
    rate = f"{fps:g} frames per second: a gif shows {_MOST_OF_GIF} of them"
    return (rate,) if suffix == ".gif" and fps > _MOST_OF_GIF else ()


def check_quality(crf: int | None, suffix: str) -> None:
    """Raise `InputError` where videos of that suffix, one of `SUFFIXES`, have no such quality."""
    if crf is not None and "crf" not in _FORMATS[suffix].options:
        raise InputError(f"crf with a {suffix} file, which has no quality to choose", hint="leave it out")


class VideoWriter:
    """Writes one video; nothing stands at `path` until it is complete.

    The suffix chooses the format: mp4, mov, mkv (H.264), webm (VP9) or gif. Frames keep their own
    times, so variable frame rates survive; a gif tells hundredths of a second apart, and has the first
    of the frames in each. `audio` names a file whose sound tracks and subtitles are copied packet by packet
    where the format carries them, and whose title is kept; other sound is encoded anew. `pixel_shape` is
    the width of a pixel over its height; webm files cannot tell it. `colours` says how colours are stored;
    gifs store them in their own way. `crf` is the quality; None is 16, which the eye cannot tell from the
    frames, and 24 in webm.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with VideoWriter(Path(folder) / "a.mp4", size=(16, 16), fps=8) as writer:
    ...         writer.write(np.zeros((16, 16, 3), "uint8"), Fraction(0), Fraction(1, 8))
    """

    def __init__(
        self,
        path: Path,
        *,
        size: tuple[int, int],
        fps: Fraction | float,
        audio: Path | Along | None = None,
        pixel_shape: Fraction = Fraction(1),
        colours: Colours = BT709,
        crf: int | None = None,
    ) -> None:
        if path.suffix.lower() not in _FORMATS:
            raise InputError(
                f"{path}: cannot write {path.suffix or 'a file without suffix'}",
                hint=f"end the name in {', '.join(_FORMATS)}",
            )
        self._format = _FORMATS[path.suffix.lower()]
        self._path, self._size, self._shape = path, size, pixel_shape
        self._along = Along(audio) if isinstance(audio, Path) else audio
        self._colours, self._crf = colours, crf
        self._fps = Fraction(fps).limit_denominator(90_000)
        self._stack = ExitStack()
        self._durations: dict[int, int] = {}
        self._last = -1  # tick of the last frame

    def __enter__(self) -> "VideoWriter":
        with ExitStack() as stack:
            stage = stack.enter_context(staged(self._path))
            self._container: OutputContainer = stack.enter_context(av.open(str(stage), "w"))
            self._stream = self._video_stream()
            self._sound = stack.enter_context(Sound(self._along, self._container, self._format.carried))
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._stack:
            if error is not None:
                self._stack.__exit__(kind, error, trace)
                return
            self._mux(self._stream.encode(None))
            self._sound.finish()

    def write(self, pixels: Picture, time: Fraction, duration: Fraction) -> None:
        """Append a frame (height x width x 3 bytes) that starts at `time` and lasts `duration` seconds."""
        tick = self._format.tick
        start = round(time / tick)
        if start > self._last:
            if self._stream.pix_fmt == "pal8":
                frame = VideoFrame.from_ndarray(_best_palette(pixels), format="pal8")  # pyright: ignore[reportArgumentType] - PyAV takes a pair
            else:
                frame = self._maker.frame(pixels)
            frame.pts, frame.time_base = start, tick
            frame.duration = round(duration / tick)
            self._durations[start] = frame.duration
            self._last = start
            self._mux(self._stream.encode(frame))
        self._sound.copy_until(time + duration)

    def _video_stream(self) -> VideoStream:
        width, height = self._size
        options = self._format.options
        if options is H264 and width * height >= _LARGE:
            options = _LARGE_H264
        if self._crf is not None:
            options = options | {"crf": str(self._crf)}
        stream = self._container.add_stream(self._format.codec, rate=self._fps, options=options)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height = width, height
        stream.codec_context.time_base = self._format.tick
        stream.codec_context.sample_aspect_ratio = self._shape
        if self._format.codec == "gif":
            stream.pix_fmt = "pal8"
        else:
            odd = self._format.codec == "libx264" and (width % 2 or height % 2)  # it takes no odd 4:2:0
            stream.pix_fmt = "yuv444p" if odd else "yuv420p"
            self._colours.declare(stream.codec_context)
            self._maker = FrameMaker(self._size, stream.pix_fmt, self._colours, self._format.siting)
        return stream

    def _mux(self, packets: list[Packet]) -> None:
        for packet in packets:
            if packet.pts in self._durations and packet.time_base == self._format.tick:
                packet.duration = self._durations.pop(packet.pts)
            self._container.mux(packet)


def _best_palette(pixels: Picture) -> tuple[np.ndarray, np.ndarray]:
    """Indices and a palette of 256 colours (alpha, red, green, blue) for one frame."""
    picture = Image.fromarray(pixels).quantize(256, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    flat = picture.getpalette() or []
    palette = np.full((256, 4), 255, np.uint8)
    palette[: len(flat) // 3, 1:] = np.array(flat, np.uint8).reshape(-1, 3)
    return np.asarray(picture), palette
