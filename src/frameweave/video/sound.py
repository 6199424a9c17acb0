"""Puts the sound of a source file into a file being written."""

from collections.abc import Iterator
from contextlib import ExitStack
from fractions import Fraction
from itertools import chain
from pathlib import Path
from types import TracebackType

import av
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.video.frame import VideoFrame


class Sound:
    """Copies the first sound track of `source`, up to the times that `copy_until` is told.

    Packets are copied untouched when the target format carries their codec, else re-encoded to
    the first codec of `carried`. Their times count from the source's first frame, as those of the pictures
    do: what ends before it is left out. Does nothing when `source` is None or has no sound.
    """

    def __init__(self, source: Path | None, target: OutputContainer, carried: tuple[str, ...]) -> None:
        self._source, self._target, self._carried = source, target, carried
        self._stack = ExitStack()
        self._packets: Iterator[Packet] = iter(())
        self._waiting: Packet | None = None

    def __enter__(self) -> "Sound":
        if self._source is not None and self._source.is_file():
            container = self._stack.enter_context(av.open(str(self._source.absolute())))
            if container.streams.audio:
                track, zero = container.streams.audio[0], _first_frame_time(self._source)
                copied = track.codec_context.name in self._carried
                self._packets = (self._copied if copied else self._encoded)(container, track, zero)
        self._waiting = next(self._packets, None)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def copy_until(self, time: Fraction) -> None:
        """Write all sound that starts before `time` (seconds since the start of the video)."""
        while self._waiting is not None and _starts(self._waiting) < time:
            self._target.mux(self._waiting)
            self._waiting = next(self._packets, None)

    def _copied(self, container: InputContainer, track: AudioStream, zero: Fraction) -> Iterator[Packet]:
        out = self._target.add_stream_from_template(track)
        for packet in container.demux(track):
            if packet.dts is not None and _from(zero, packet):
                packet.stream = out
                yield packet

    def _encoded(self, container: InputContainer, track: AudioStream, zero: Fraction) -> Iterator[Packet]:
        out = self._target.add_stream(
            "libopus" if self._carried[0] == "opus" else self._carried[0], rate=track.rate or 48_000
        )
        assert isinstance(out, AudioStream)
        heard = (frame for frame in container.decode(track) if _from(zero, frame))
        for frame in chain(heard, [None]):
            yield from out.encode(frame)


def _first_frame_time(source: Path) -> Fraction:
    """When the first frame is shown by the file's own clock, in seconds: recordings may start at any time."""
    with av.open(str(source.absolute())) as container:
        first = next(container.decode(video=0), None) if container.streams.video else None
        return _starts(first) if first is not None else Fraction(0)


def _from(zero: Fraction, part: Packet | AudioFrame) -> bool:
    """Count a part's times from `zero`; whether it ends after it.

    What ends on it stays: decoders need the packet before the first sound.
    """
    unit = part.time_base
    if part.pts is None or unit is None:
        return True
    shift = round(zero / unit)
    part.pts -= shift
    if part.dts is not None:
        part.dts -= shift
    return part.pts + (part.duration or 0) >= 0


def _starts(part: Packet | VideoFrame) -> Fraction:
    return part.pts * Fraction(part.time_base) if part.pts is not None and part.time_base else Fraction(0)
