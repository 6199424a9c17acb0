"""Puts the sound of a source file into a file being written."""

from collections.abc import Iterator
from contextlib import ExitStack
from fractions import Fraction
from itertools import chain
from pathlib import Path
from types import TracebackType

import av
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.packet import Packet


class Sound:
    """Copies the first sound track of `source`, up to the times that `copy_until` is told.

    Packets are copied untouched when the target format carries their codec, else re-encoded to
    the first codec of `carried`. Does nothing when `source` is None or has no sound.
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
                track = container.streams.audio[0]
                copies = track.codec_context.name in self._carried
                self._packets = self._copied(container, track) if copies else self._encoded(container, track)
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

    def _copied(self, container: InputContainer, track: AudioStream) -> Iterator[Packet]:
        out = self._target.add_stream_from_template(track)
        for packet in container.demux(track):
            if packet.dts is not None:
                packet.stream = out
                yield packet

    def _encoded(self, container: InputContainer, track: AudioStream) -> Iterator[Packet]:
        out = self._target.add_stream(
            "libopus" if self._carried[0] == "opus" else self._carried[0], rate=track.rate or 48_000
        )
        assert isinstance(out, AudioStream)
        for frame in chain(container.decode(track), [None]):
            yield from out.encode(frame)


def _starts(packet: Packet) -> Fraction:
    return packet.pts * Fraction(packet.time_base) if packet.pts is not None else Fraction(0)
