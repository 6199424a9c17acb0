"""All frame times of a video without decoding it, and what its packets tell of damage."""

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import chain
from pathlib import Path

import av
from av.packet import Packet

from frameweave.errors import InputError
from frameweave.video.opening import Opened, Video, name_of, opened
from frameweave.video.pixels import shape_of, shown_size
from frameweave.video.sequences import is_pictures, sequence_of

MAX_FRAMES = 1_000_000
"""Eleven hours at 25 frames per second: what has more is no clip."""
_PARTIAL = ("gif", "apng")  # whose frames may show only what changed, though each claims to be whole
DAMAGED = "damaged frames are read as far as they can be decoded"
"""What to say of frames that a decoder could not make whole."""
_SHORT = Fraction(3, 10)  # seconds by which headers may promise too much


@dataclass(frozen=True)
class Timeline:
    """When each frame is shown, in seconds from the first, and at which frames decoding can start."""

    times: tuple[Fraction, ...]
    starts: tuple[int, ...] = (0,)
    stamps: tuple[int, ...] = ()
    """The frames' times in the stream's own unit; empty when frames can only be counted."""
    size: tuple[int, int] | None = None
    """Width and height of the first frame as shown, to which the others are scaled."""
    pixel_shape: Fraction = Fraction(1)
    """Width of a pixel over its height, as shown."""
    notes: tuple[str, ...] = ()
    """What is wrong with the file and does not keep it from being read, in words."""

    def __len__(self) -> int:
        return len(self.times)

    @property
    def aspect(self) -> float | None:
        """Width over height of the frames as they are shown, where their pixels are not square."""
        if self.size is None or self.pixel_shape == 1:
            return None
        return float(self.size[0] * self.pixel_shape / self.size[1])

    def start_before(self, frame: int) -> int:
        """The last frame at which decoding can start in order to reach this one."""
        return self.starts[max(0, bisect_right(self.starts, frame) - 1)]

    def first_from(self, time: Fraction) -> int:
        """The first frame that starts at this time or later."""
        return bisect_left(self.times, time)


def timeline(video: Video, *, torn: bool = False) -> Timeline:
    """Read a video's packets, and decode one frame.

    Raises `InputError` when there is no frame, or more than a million, or the first is damaged, and, unless
    `torn` files are welcome, when the file ends before its last frame.
    """
    if isinstance(video, Path) and is_pictures(video):
        found = sequence_of(video)
        return Timeline(found.times, tuple(range(len(found))), size=found.size)
    with opened(video, threads=1) as file:
        scan = _scanned(file)
        if not scan.packets:
            raise InputError(
                f"{file.name}: found no frame",
                hint="give a video with at least one frame",
                reason="too_short",
            )
        if not torn and file.lacks_samples:
            raise missing(video, len(scan.packets), max(len(scan.packets) + 1, file.stream.frames))
        notes = (*scan.notes(), *_cut_off(video, file, scan))
        return _line(file, scan, notes)


@dataclass(eq=False)
class _Scan:
    packets: list[tuple[int | None, int | None, bool]] = field(
        default_factory=list[tuple[int | None, int | None, bool]]
    )
    """Time of decoding and of showing, and whether it can be decoded alone."""
    size: tuple[int, int] | None = None
    pixel_shape: Fraction = Fraction(1)
    damaged: int = 0
    end: int = 0

    def notes(self) -> tuple[str, ...]:
        return ("parts of the file are damaged",) if self.damaged else ()

    def segments(self) -> list[list[tuple[int, bool]]]:
        """Times of showing in order, anew where the file's clock goes back; none where some are unknown."""
        found: list[list[tuple[int, bool]]] = [[]]
        before: int | None = None
        for dts, pts, key in self.packets:
            if pts is None:
                return []
            if before is not None and dts is not None and dts <= before:
                found.append([])
            before = dts
            found[-1].append((pts, key))
        return [sorted(segment) for segment in found]


def _scanned(file: Opened) -> _Scan:
    scan = _Scan()
    try:
        for packet in file.packets():
            if packet.size:
                _add(scan, packet)
            if scan.size is None:
                first = next(file.decoded(packet), None)
                if first is not None:
                    scan.size, scan.pixel_shape = shown_size(first), shape_of(file, first)
            if len(scan.packets) > MAX_FRAMES:
                raise InputError(
                    f"{file.name}: more than {MAX_FRAMES:,} frames",
                    hint="cut it into shorter videos",
                    reason="too_long",
                )
    except av.FFmpegError as error:
        if scan.size is None:
            raise missing(file.name, 0, max(file.stream.frames, len(scan.packets))) from error
        scan.damaged += 1
    return scan


def _add(scan: _Scan, packet: Packet) -> None:
    scan.damaged += packet.is_corrupt
    if not packet.is_discard:
        scan.packets.append((packet.dts, packet.pts, packet.is_keyframe))
    if packet.pts is not None:
        scan.end = max(scan.end, packet.pts + (packet.duration or 0))


def _line(file: Opened, scan: _Scan, notes: tuple[str, ...]) -> Timeline:
    """The times as `read_frames` gives them."""
    segments, clock = scan.segments(), file.clock()
    known = list(chain.from_iterable(segments))
    size, shape = scan.size, scan.pixel_shape
    if not known:
        times = tuple(clock.at(None) for _ in scan.packets)
        return Timeline(times, size=size, pixel_shape=shape, notes=notes)
    times = tuple(clock.at(stamp * file.unit) for stamp, _ in known)
    if clock.repaired:
        return Timeline(times, size=size, pixel_shape=shape, notes=(*notes, clock.note))
    partial = file.reordered or any(name in file.container.format.name for name in _PARTIAL)
    starts = tuple(index for index, (_, key) in enumerate(known) if key)
    stamps = tuple(stamp for stamp, _ in known)
    return Timeline(times, (0,) if partial or not starts else starts, stamps, size, shape, notes)


def _cut_off(video: Video, file: Opened, scan: _Scan) -> tuple[str, ...]:
    """A note for a file that ends in the middle of something, or long before its header says."""
    if isinstance(video, Path) and _ends_midway(video, file.container.format.name):
        return ("the file ends in the middle of a frame: it may have been cut off",)
    told = Fraction(file.container.duration or 0, av.time_base)
    end = max(scan.end * file.unit, *(Fraction(0), *_ends_of_sound(video, file, told, scan)))
    if told - end <= max(_SHORT, 3 / file.rate):
        return ()
    return (f"the file says {float(told):.1f} s and ends after {float(end):.1f} s: it may have been cut off",)


def _ends_of_sound(video: Video, file: Opened, told: Fraction, scan: _Scan) -> list[Fraction]:
    """When the sound ends, where the pictures end so early that it matters."""
    if not isinstance(video, Path) or told - scan.end * file.unit <= _SHORT:
        return []
    with opened(video, threads=1) as again:
        tracks = again.container.streams.audio
        if not tracks:
            return []
        return [
            (packet.pts + (packet.duration or 0)) * Fraction(packet.time_base or 0)
            for packet in again.container.demux(*tracks)
            if packet.pts is not None
        ]


def _ends_midway(path: Path, format_name: str) -> bool:
    """Whether a gif has no end mark, or the last packet of a transport stream is not whole."""
    if format_name not in ("gif", "mpegts"):
        return False
    size = path.stat().st_size
    with path.open("rb") as file:
        if format_name == "mpegts":
            head = file.read(189)
            return head[:1] == head[188:] == b"G" and size % 188 != 0
        file.seek(max(0, size - 64))
        return b";" not in file.read()


def missing(video: Video, frame: int, count: int) -> InputError:
    """The error of a frame that cannot be decoded."""
    return InputError(
        f"{name_of(video)}: frame {frame} of {count} cannot be decoded, the file is truncated or damaged",
        hint="copy it again",
        reason="truncated",
    )


def damaged(video: Video, frame: int, count: int) -> InputError:
    """The error of a frame that cannot be made whole."""
    return InputError(
        f"{name_of(video)}: frame {frame} of {count} is damaged",
        hint="copy it again, or cut the damaged part out",
        reason="damaged",
    )
