"""Opens video files: which of their streams is the video, and how its packets become frames.

Only local files in known container formats are opened: playlists and network addresses are refused.
"""

import os
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from heapq import heappop, heappush
from io import BufferedIOBase
from pathlib import Path

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from frameweave.errors import InputError
from frameweave.video.times import Clock

MAX_PIXELS = 64_000_000  # per frame: twice 8K
_OPTIONS = {
    "protocol_whitelist": "file",
    "format_whitelist": "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,gif,mpegts,mpeg,flv,ogg,asf,apng",
}
_STILLS = Disposition.attached_pic | Disposition.timed_thumbnails
_BROADCAST = ("mpegts", "mpeg")  # whose clock may jump, and which may begin anywhere
_WITH_ALPHA = {"vp8": "libvpx", "vp9": "libvpx-vp9"}  # decoders that see the transparency of webm files

Video = Path | BufferedIOBase
"""A file, a folder of pictures, or bytes that can be sought in."""


@dataclass(frozen=True, eq=False)
class Opened:
    """A file that is being read, the stream that is its video, and what decodes it."""

    name: Path
    container: InputContainer
    stream: VideoStream
    decoder: VideoCodecContext
    size: int
    """Bytes of the file."""
    _waiting: list[int] = field(default_factory=list[int])
    """In a format that numbers frames as they are stored: the numbers that no shown frame has got yet."""

    @property
    def reordered(self) -> bool:
        """Whether frames are shown in another order than stored, and only the latter is numbered."""
        return self._numbers_stored and self.decoder.has_b_frames

    @property
    def _numbers_stored(self) -> bool:
        return self.container.format.name == "avi"

    @property
    def lacks_samples(self) -> bool:
        """Whether the file's table of its frames goes on behind its end."""
        if not self.container.format.name.startswith("mov"):
            return False
        return any(entry.pos + entry.size > self.size for entry in self.stream.index_entries)

    @property
    def rate(self) -> Fraction:
        """Frames per second, as far as the file tells."""
        return Fraction(self.stream.average_rate or self.stream.guessed_rate or 25)

    @property
    def unit(self) -> Fraction:
        """Seconds of a tick of the stream's clock."""
        return Fraction(self.stream.time_base or Fraction(1, 1000))

    @property
    def broadcast(self) -> bool:
        """Whether the format is made for broadcasts, which begin anywhere and whose clock may jump."""
        return self.container.format.name in _BROADCAST

    def clock(self) -> Clock:
        """A new one for its frames."""
        return Clock(1 / self.rate, self.broadcast)

    def packets(self) -> Iterator[Packet]:
        """Of the video, and an empty last one; a broadcast's from the first that can be decoded alone."""
        waits = self.broadcast
        for packet in self.container.demux(self.stream):
            waits = waits and bool(packet.size) and not packet.is_keyframe
            if not waits:
                yield packet

    def frames(self) -> Iterator[VideoFrame]:
        """Decoded, in the order in which they are shown."""
        for packet in self.packets():
            yield from self.decoded(packet)

    def decoded(self, packet: Packet) -> Iterator[VideoFrame]:
        """The frames that a packet completes, in the order and with the times in which they are shown."""
        if packet.size and packet.pts is not None and self._numbers_stored:
            heappush(self._waiting, packet.pts)
        for frame in self.decoder.decode(packet):
            if self._waiting:
                frame.pts = heappop(self._waiting)
            yield frame

    def seek(self, stamp: int) -> None:
        """Go to the frame of that time, or before it."""
        self.container.seek(stamp, stream=self.stream)
        self.decoder.flush_buffers()
        self._waiting.clear()


def container_of(video: Video) -> InputContainer:
    """A file as FFmpeg opens it. Raises `InputError` for what is no file, or no video."""
    path = name_of(video)
    check_file(video)
    options = _OPTIONS | {"max_pixels": str(MAX_PIXELS)}
    try:
        source = str(video.absolute()) if isinstance(video, Path) else video
        return av.open(source, "r", options=options, container_options=_OPTIONS)
    except (av.FFmpegError, OSError, ValueError) as error:
        raise InputError(
            f"{path}: not a readable video ({reason_of(error)})",
            hint="give an mp4, mov, webm, mkv, avi or gif file, or a folder of pictures",
            reason="not_a_video",
        ) from error


@contextmanager
def opened(video: Video, *, threads: int = 0) -> Generator[Opened, None, None]:
    """A file, or bytes that can be sought in, ready to be read; decoded on `threads` threads, 0 means all.

    Raises `InputError` when it is no video, or none that can be decoded.
    """
    path = name_of(video)
    with container_of(video) as container:
        stream = _video_of(path, container)
        check_size(path, stream.codec_context.width, stream.codec_context.height)
        decoder = _decoder_of(stream)
        decoder.thread_count = threads
        decoder.thread_type = "AUTO" if threads != 1 else "NONE"
        yield Opened(path, container, stream, decoder, _size_of(video))


def _video_of(path: Path, container: InputContainer) -> VideoStream:
    """The first stream that moves and can be decoded: cover pictures and thumbnails are left out."""
    moving = [stream for stream in container.streams.video if not stream.disposition & _STILLS]
    if not moving:
        found = "only sound" if container.streams.audio else "no video stream"
        raise InputError(
            f"{path}: found {found}{' and a cover picture' if container.streams.video else ''}, "
            "expected a video",
            hint="give a file with pictures",
            reason="no_pictures",
        )
    for stream in moving:
        if getattr(stream, "codec_context", None) is not None:
            return stream
    raise InputError(
        f"{path}: its pictures are in no known format",
        hint="copy it again, or convert it to H.264 first",
        reason="not_a_video",
    )


def _decoder_of(stream: VideoStream) -> VideoCodecContext:
    """The stream's own, or one that sees transparency where the file says that there is some."""
    usual = stream.codec_context
    if stream.metadata.get("alpha_mode") != "1" or usual.name not in _WITH_ALPHA:
        return usual
    try:
        decoder = av.CodecContext.create(_WITH_ALPHA[usual.name], "r")
    except ValueError:  # FFmpeg was built without it
        return usual
    assert isinstance(decoder, VideoCodecContext)
    decoder.extradata = usual.extradata
    return decoder


def name_of(video: Video) -> Path:
    """What errors call it."""
    return video if isinstance(video, Path) else Path(str(getattr(video, "name", "the video")))


def reason_of(error: BaseException) -> str:
    """What a library says, short."""
    text = getattr(error, "strerror", None) or str(error)
    return str(text).strip().lower()


def check_file(video: Video) -> None:
    """Raise `InputError` for what is not there, and for pipes and devices, which can be read only once."""
    if not isinstance(video, Path):
        return
    if not video.exists():
        raise InputError(f"{video}: no such file", hint="check the path of the video", reason="missing")
    if not video.is_file() and not video.is_dir():
        raise InputError(
            f"{video}: a pipe or a device, expected a file, which can be read more than once",
            hint="write it to a file first, and give that",
            reason="not_a_video",
        )


def _size_of(video: Video) -> int:
    """Bytes of a file."""
    if isinstance(video, Path):
        return video.stat().st_size
    place = video.tell()
    size = video.seek(0, os.SEEK_END)
    video.seek(place)
    return size


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
