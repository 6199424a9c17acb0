"""Odd files of many kinds: the frames, times, orientation, colours and notes that are right, by hand."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from frameweave.errors import InputError
from frameweave.video import frames_at, probe, read_frames, timeline
from odd_videos import QUARTERS, coded, cut, joined, number_of, quarters_of, with_edit_list, with_matrix

UPRIGHT = (0, 1, 2, 3)


@dataclass(frozen=True)
class Case:
    """What is right for one file."""

    make: Callable[[Path], Path]
    numbers: Sequence[int] = range(8)
    """Of the cards that are shown."""
    times: Sequence[float] | None = None
    """In seconds; ten frames a second where none are given."""
    size: tuple[int, int] = (64, 48)
    quarters: tuple[int, ...] = UPRIGHT
    """Which of the stored quarters is shown at the upper left, upper right, lower left and lower right."""
    near: int = 4
    """Steps of 255 by which colours may be off."""
    notes: tuple[str, ...] = ()
    """Parts of notes that must be told; without any, none may be."""


def plain(codec: str = "libx264", **more: object) -> Callable[[Path], Path]:
    return lambda path: coded(path, codec=codec, **more)  # type: ignore[arg-type]


def lying(a: int, b: int, c: int, d: int) -> Callable[[Path], Path]:
    return lambda path: with_matrix(coded(path), a, b, c, d)


def two(first: dict[str, object], second: dict[str, object]) -> Callable[[Path], Path]:
    """Two recordings of 8 frames, one behind the other."""

    def make(path: Path) -> Path:
        parts = [
            coded(path.with_stem(f"{name}"), range(start, start + 8), **options)  # type: ignore[arg-type]
            for name, start, options in (("one", 0, first), ("two", 8, second))
        ]
        return joined(path, *parts)

    return make


def trimmed(start: str, seconds: str, **options: str) -> Callable[[Path], Path]:
    def make(path: Path) -> Path:
        whole = coded(path, range(10), g="250", **options)  # type: ignore[arg-type]
        return with_edit_list(whole, start=Fraction(start), seconds=Fraction(seconds))

    return make


def shortened(share: float, **options: object) -> Callable[[Path], Path]:
    return lambda path: cut(coded(path, range(18), **options), share)  # type: ignore[arg-type]


def from_the_middle(path: Path) -> Path:
    """A recording that begins between two frames that can be decoded alone."""
    data = coded(path, range(18), g="6", bf="0").read_bytes()
    key = data.find(b"\x47", len(data) // 9 // 188 * 188)
    path.write_bytes(data[key:])
    return path


TURNED = (48, 64)
UNEVEN = [Fraction(t, 100) for t in (0, 4, 8, 30, 31, 90)]
LATE = [Fraction(3600) + Fraction(k, 10) for k in range(8)]
FRAGMENTS = {"movflags": "frag_keyframe+empty_moov"}
MENDED = "times that go back"
JOINED = Case(two({}, {}), range(16), notes=(MENDED,))
CASES: dict[str, Case] = {
    # orientation
    "upright.mp4": Case(lying(1, 0, 0, 1)),
    "mirrored.mp4": Case(lying(-1, 0, 0, 1), quarters=(1, 0, 3, 2)),
    "flipped.mp4": Case(lying(1, 0, 0, -1), quarters=(2, 3, 0, 1)),
    "half turn.mp4": Case(lying(-1, 0, 0, -1), quarters=(3, 2, 1, 0)),
    "quarter turn.mp4": Case(lying(0, 1, -1, 0), size=TURNED, quarters=(2, 0, 3, 1)),
    "three quarters.mp4": Case(lying(0, -1, 1, 0), size=TURNED, quarters=(1, 3, 0, 2)),
    "transposed.mp4": Case(lying(0, 1, 1, 0), size=TURNED, quarters=(0, 2, 1, 3)),
    "anti-transposed.mp4": Case(lying(0, -1, -1, 0), size=TURNED, quarters=(3, 1, 2, 0)),
    "mirrored.mov": Case(lying(-1, 0, 0, 1), quarters=(1, 0, 3, 2)),
    # containers and codecs
    "h264.mov": Case(plain()),
    "h264.mkv": Case(plain()),
    "h264.ts": Case(plain()),
    "h264.flv": Case(plain()),
    "fragments.mp4": Case(plain(container=FRAGMENTS, g="4")),
    "index first.mp4": Case(plain(container={"movflags": "faststart"})),
    "hevc.mp4": Case(plain("libx265", **{"x265-params": "log-level=none"})),
    "vp8.webm": Case(plain("libvpx", matrix=5, b="2000000")),
    "vp9.webm": Case(plain("libvpx-vp9")),
    "mpeg4.avi": Case(plain("mpeg4", matrix=5, q="2"), near=6),
    "mpeg2.mpg": Case(plain("mpeg2video", kind="mpeg", fps=25), times=[k / 25 for k in range(8)], near=6),
    "mpeg2.mkv": Case(plain("mpeg2video", fps=25), times=[k / 25 for k in range(8)], near=6),
    "lossless.mkv": Case(plain("ffv1"), near=2),
    "prores.mov": Case(plain("prores_ks", layout="yuv422p10le"), notes=("10-bit",)),
    "motion jpeg.mov": Case(plain("mjpeg", layout="yuvj420p", full=True, matrix=5), near=6),
    "animation.gif": Case(plain("gif", layout="rgb8"), near=40, notes=("transparency",)),
    # layouts of pixels
    "full range.mp4": Case(plain(full=True)),
    "4 2 2.mp4": Case(plain(layout="yuv422p")),
    "4 4 4.mp4": Case(plain(layout="yuv444p")),
    "ten bits.mp4": Case(plain(layout="yuv420p10le"), notes=("10-bit",)),
    "rgb.mkv": Case(plain("ffv1", layout="bgr0"), near=0),
    "rgb of ten bits.mkv": Case(plain("ffv1", layout="gbrp10le"), near=1, notes=("10-bit",)),
    "png.mov": Case(plain("png", layout="rgb24"), near=0),
    "run lengths.mov": Case(plain("qtrle", layout="rgb24"), near=0),
    "raw.avi": Case(plain("rawvideo", layout="bgr24"), near=0),
    "planes of rgb.avi": Case(plain("utvideo", layout="gbrp"), near=0),
    # matrices
    "bt601.mp4": Case(plain(matrix=5)),
    "bt601 of ntsc.mp4": Case(plain(matrix=6)),
    "bt2020.mp4": Case(plain(matrix=9)),
    "bt601 full.mp4": Case(plain(matrix=5, full=True)),
    "bt2020 full.mp4": Case(plain(matrix=9, full=True)),
    "untagged.mp4": Case(plain(matrix=2)),
    "wide pixels.mp4": Case(plain(shape=Fraction(2)), notes=("pixels of 2:1",)),
    # times
    "uneven.mp4": Case(plain(numbers=range(6), times=UNEVEN), range(6), [float(t) for t in UNEVEN]),
    "uneven.mkv": Case(plain(numbers=range(6), times=UNEVEN), range(6), [float(t) for t in UNEVEN]),
    "an hour late.mkv": Case(plain(times=LATE)),
    "an hour late.ts": Case(plain(times=LATE)),
    "joined.ts": JOINED,
    "joined, without B-frames.ts": Case(two({"bf": "0"}, {"bf": "0"}), range(16), notes=(MENDED,)),
    "joined, an hour later.ts": Case(two({}, {"times": LATE}), range(16), notes=(MENDED,)),
    "joined, an hour earlier.ts": Case(two({"times": LATE}, {}), range(16), notes=(MENDED,)),
    "trimmed at the start.mp4": Case(trimmed("0.6", "0.4", bf="0"), range(6, 10)),
    "trimmed at the end.mp4": Case(trimmed("0", "0.4", bf="0"), range(4)),
    "trimmed.mov": Case(trimmed("0.6", "0.4", bf="0"), range(6, 10)),
    "begins anywhere.ts": Case(from_the_middle, range(6, 18)),
    # streams
    "cover first.mp4": Case(plain(cover="first")),
    "cover last.mp4": Case(plain(cover="last")),
    "grows.ts": Case(two({}, {"size": (96, 48)}), range(16), notes=(MENDED, "96 x 48 are scaled")),
    "shrinks.ts": Case(
        two({"size": (96, 64)}, {"size": (48, 64)}), range(16), size=(96, 64), notes=(MENDED, "48 x 64")
    ),
    # cut off: what is there is read, and it is said
    "cut.mkv": Case(shortened(0.9), range(9), notes=("cut off",)),
    "cut.webm": Case(shortened(0.7, codec="libvpx-vp9"), range(9), notes=("cut off",)),
    "cut.gif": Case(
        shortened(0.7, codec="gif", layout="rgb8"), range(9), near=40, notes=("transparency", "cut off")
    ),
}
ATLEAST = ("cut.mkv", "cut.webm", "cut.gif")
"""Files of which at least so many frames are there."""


@pytest.mark.parametrize("name", CASES)
def test_frames_times_and_colours(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    path = case.make(tmp_path / name)
    told: list[str] = []
    info, shown = probe(path), list(read_frames(path, note=told.append))
    line = timeline(path)
    if name in ATLEAST:
        assert len(case.numbers) <= len(shown) < 18
        shown = shown[: len(case.numbers)]
    assert [number_of(frame.pixels) for frame in shown] == list(case.numbers)
    times = case.times or [k / 10 for k in range(len(case.numbers))]
    assert [float(frame.time) for frame in shown] == pytest.approx(times, abs=2e-3)
    assert (info.width, info.height) == case.size
    for frame in shown:
        assert frame.pixels.shape == (*case.size[::-1], 3)
    colours = [QUARTERS[quarter] for quarter in case.quarters]
    assert np.abs(np.array(quarters_of(shown[0].pixels)) - colours).max() <= case.near
    notes = {*info.notes, *line.notes, *told}
    assert all(any(part in note for note in notes) for part in case.notes), notes
    assert bool(notes) == bool(case.notes), notes
    # a single frame, found by its time, is the one that reading on gives
    assert [float(time) for time in line.times[: len(shown)]] == pytest.approx(times, abs=2e-3)
    last = len(shown) - 1
    ((_, pixels),) = frames_at(path, line, [last], threads=1)
    assert np.array_equal(pixels, shown[last].pixels)


TORN: dict[str, Callable[[Path], Path]] = {
    "torn.mp4": shortened(0.7, container={"movflags": "faststart"}, g="6"),
    "torn.mov": shortened(0.7, container={"movflags": "faststart"}, g="6"),
    "torn fragments.mp4": shortened(0.7, container=FRAGMENTS, g="6"),
}


@pytest.mark.parametrize("name", TORN)
def test_files_that_end_before_their_frames_are_refused_by_name(name: str, tmp_path: Path) -> None:
    path = TORN[name](tmp_path / name)
    with pytest.raises(InputError, match=f"{name}: decoding stopped after .* truncated or damaged") as caught:
        list(read_frames(path))
    good = int(str(caught.value.hint).rsplit(" ", 1)[1])
    assert [number_of(frame.pixels) for frame in read_frames(path, first=good)] == list(range(good))
    with pytest.raises(InputError, match=f"{name}: frame .* truncated or damaged"):
        timeline(path)
