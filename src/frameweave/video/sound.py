"""Puts sound and subtitles of a source file into a file being written; pictures are never lost to them."""

from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from fractions import Fraction
from types import TracebackType

import av
from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.error import ArgumentError, InvalidDataError
from av.packet import Packet
from av.stream import Stream

from frameweave.video.along import Along, Carried, Found, codec_of, found_in
from frameweave.video.opening import container_of, opened
from frameweave.video.times import Clock

_FROM_ZERO = "matroska"
"""Its files begin at 0: with a packet before the first picture, everything would be shown later."""
_LIBRARY = {"opus": "libopus", "mp3": "libmp3lame"}  # encoders whose name is not the codec's
_GAP = Fraction(1, 50)  # seconds at which sound goes on where the source's clock goes back


@dataclass(eq=False)
class _Lane:
    """One track on its way."""

    packets: Iterator[Packet]
    waiting: Packet | None = None


class Sound:
    """Copies sound tracks and subtitles of a file, up to the times that `copy_until` is told.

    Packets are copied untouched when the target format carries their codec, else sound is encoded anew with
    its channels. Their times count from the source's first frame, as those of the pictures do: what ends
    before it is left out. Damaged packets and tracks that cannot be decoded are left out.
    """

    def __init__(self, along: Along | None, target: OutputContainer, carried: Carried) -> None:
        self._along, self._target, self._carried = along, target, carried
        self._stack = ExitStack()
        self._lanes: list[_Lane] = []

    def __enter__(self) -> "Sound":
        if self._along is None:
            return self
        found = found_in(self._along, self._carried)
        self._target.metadata.update(found.titles)
        with ExitStack() as stack:
            if found.tracks:
                self._open(stack, self._along, found)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def _open(self, stack: ExitStack, along: Along, found: Found) -> None:
        zero = _first_frame_time(along)
        for index in found.tracks:
            container = stack.enter_context(container_of(along.path))
            track = container.streams[index]
            if isinstance(track, AudioStream) and codec_of(track) not in self._carried.sound:
                out = self._encoder(track)
                packets = _encoded(container, track, out, zero)
            else:
                out = self._target.add_stream_from_template(track)
                packets = _copied(container, track, out, zero)
            if self._target.format.name == _FROM_ZERO:
                packets = (packet for packet in packets if _starts(packet) >= 0)
            if language := track.metadata.get("language"):
                out.metadata["language"] = language
            self._lanes.append(_Lane(packets))
        for lane in self._lanes:
            lane.waiting = next(lane.packets, None)

    def _encoder(self, track: AudioStream) -> AudioStream:
        """A stream of the target with the track's channels and rate, or the nearest that its codec takes."""
        codec = self._carried.sound[0]
        name = _LIBRARY.get(codec, codec)
        rates = av.Codec(name, "w").audio_rates or [track.rate]
        rate = min(rates, key=lambda one: (one < track.rate, abs(one - track.rate)))
        layout = next((one for one in _layouts(track) if _takes(name, rate, one)), "stereo")
        out = self._target.add_stream(name, rate=rate, layout=layout)
        assert isinstance(out, AudioStream)
        return out

    def copy_until(self, time: Fraction) -> None:
        """Write all that starts before `time` (seconds since the start of the video)."""
        for lane in self._lanes:
            while lane.waiting is not None and _starts(lane.waiting) < time:
                self._write(lane)

    def finish(self) -> None:
        """The pictures are written: write what lasts longer, where all of it was asked for."""
        if self._along is not None and self._along.whole:
            for lane in self._lanes:
                while lane.waiting is not None:
                    self._write(lane)

    def _write(self, lane: _Lane) -> None:
        assert lane.waiting is not None
        with suppress(InvalidDataError, ArgumentError):  # damaged: the pictures go on
            self._target.mux(lane.waiting)
        lane.waiting = next(lane.packets, None)


def _layouts(track: AudioStream) -> Iterator[str]:
    """The names of its channels, the second for encoders that know each number of them once."""
    yield track.layout.name
    yield {1: "mono", 2: "stereo", 3: "3.0", 4: "quad", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}.get(
        track.layout.nb_channels, "stereo"
    )


def _takes(codec: str, rate: int, layout: str) -> bool:
    """Whether an encoder can be opened so."""
    encoder = av.CodecContext.create(codec, "w")
    assert isinstance(encoder, AudioCodecContext)
    try:
        encoder.sample_rate, encoder.layout = rate, layout
        encoder.format = (encoder.codec.audio_formats or ["s16"])[0]
        encoder.open()
    except (av.FFmpegError, ValueError):
        return False
    return True


def _copied(container: InputContainer, track: Stream, out: Stream, zero: Fraction) -> Iterator[Packet]:
    clock = _Shift(zero)
    for packet in _demuxed(container, track):
        if packet.dts is not None and clock.moved(packet):
            packet.stream = out
            yield packet


def _encoded(
    container: InputContainer, track: AudioStream, out: AudioStream, zero: Fraction
) -> Iterator[Packet]:
    clock = _Shift(zero)
    for packet in _demuxed(container, track):
        try:
            heard = track.decode(packet)
        except av.FFmpegError:
            continue  # damaged
        for frame in heard:
            if clock.moved(frame):
                yield from out.encode(frame)
    yield from out.encode(None)


def _demuxed(container: InputContainer, track: Stream) -> Iterator[Packet]:
    """The packets up to where the file can be read."""
    packets = container.demux(track)
    while True:
        try:
            packet = next(packets)
        except (StopIteration, av.FFmpegError):
            return
        if not packet.is_corrupt:
            yield packet


def _first_frame_time(along: Along) -> Fraction:
    """When the first frame is shown by the file's own clock, in seconds: recordings may start at any time."""
    with container_of(along.path) as container:
        if not container.streams.video:  # a file of sound alone
            return Fraction(0)
    with opened(along.path) as video:
        first = next(video.frames(), None)
        if first is None or first.pts is None:
            return Fraction(0)
        return first.pts * Fraction(first.time_base or video.unit)


class _Shift:
    """Counts times from the first frame on, and goes on where the source's clock goes back."""

    def __init__(self, zero: Fraction) -> None:
        self._zero, self._start, self._clock = zero, Fraction(0), Clock(_GAP)
        self._any = False

    def moved(self, part: Packet | AudioFrame) -> bool:
        """Whether a part, whose times are changed, ends behind the first frame.

        What ends on it stays: decoders need the packet before the first sound.
        """
        unit = part.time_base
        if part.pts is None or unit is None:
            return True
        own = (part.pts - round(self._zero / unit)) * Fraction(unit)
        if not self._any and own + (part.duration or 0) * Fraction(unit) < 0:
            return False
        if not self._any:
            self._start, self._any = own, True
        shift = round((self._start + self._clock.at(own)) / unit) - part.pts
        part.pts += shift
        if part.dts is not None:
            part.dts += shift
        return True


def _starts(part: Packet) -> Fraction:
    return part.pts * Fraction(part.time_base) if part.pts is not None and part.time_base else Fraction(0)
