"""Makes small odd video files whose right frames, times and colours are known by hand."""

import struct
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.packet import Packet
from numpy.typing import NDArray

TICK = Fraction(1, 90_000)
QUARTERS = ((220, 40, 40), (40, 190, 60), (50, 70, 210), (240, 240, 240))
"""Colours of the upper left, upper right, lower left and lower right."""


def card(number: int, size: tuple[int, int] = (64, 48)) -> NDArray[np.uint8]:
    """A picture with a colour in each quarter; the grey of its middle tells its number."""
    width, height = size
    pixels = np.zeros((height, width, 3), np.uint8)
    halves = (slice(None, height // 2), slice(height // 2, None))
    sides = (slice(None, width // 2), slice(width // 2, None))
    for quarter, colour in enumerate(QUARTERS):
        pixels[halves[quarter // 2], sides[quarter % 2]] = colour
    pixels[height // 3 : -height // 3, width // 3 : -width // 3] = 16 + 12 * (number % 19)
    return pixels


def number_of(pixels: NDArray[np.uint8]) -> int:
    """The number on a card, by its middle."""
    height, width = pixels.shape[:2]
    middle = pixels[height // 2 - 2 : height // 2 + 2, width // 2 - 2 : width // 2 + 2]
    return round((float(middle.mean()) - 16) / 12)


def quarters_of(pixels: NDArray[np.uint8]) -> list[tuple[int, int, int]]:
    """The colours of a picture's four quarters, near its corners."""
    height, width = pixels.shape[:2]
    rows, columns = (height // 6, height - 1 - height // 6), (width // 6, width - 1 - width // 6)
    return [
        tuple(int(v) for v in pixels[row - 1 : row + 2, column - 1 : column + 2].mean((0, 1)).round())
        for row in rows
        for column in columns
    ]


def coded(
    path: Path,
    numbers: Sequence[int] = range(8),
    *,
    codec: str = "libx264",
    layout: str = "yuv420p",
    size: tuple[int, int] = (64, 48),
    times: Sequence[Fraction] | None = None,
    fps: int = 10,
    container: dict[str, str] | None = None,
    kind: str | None = None,
    matrix: int = 1,
    full: bool = False,
    shape: Fraction | None = None,
    cover: str = "",
    **options: str,
) -> Path:
    """Cards as a video; `times` in seconds, or 10 a second. `cover` is "first" or "last"."""
    usual = {"crf": "8"} if codec in ("libx264", "libx265", "libvpx-vp9") else {}
    with av.open(str(path), "w", format=kind, options=container or {}) as file:
        still = _cover(file) if cover == "first" else None
        stream = file.add_stream(codec, rate=fps, options=usual | options)
        (stream.width, stream.height), stream.pix_fmt = size, layout
        stream.codec_context.time_base = TICK if times else Fraction(1, fps)
        stream.codec_context.colorspace = matrix
        stream.codec_context.color_range = 2 if full else 1
        if shape:
            stream.codec_context.sample_aspect_ratio = shape
        still = _cover(file) if cover == "last" else still
        if still is not None:
            file.mux(still)
        for place, number in enumerate(numbers):
            frame = frame_of(card(number, size), layout, matrix, full=full)
            unit = TICK if times else Fraction(1, fps)
            frame.pts, frame.time_base = (round(times[place] / TICK) if times else place), unit
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return path


def frame_of(pixels: NDArray[np.uint8], layout: str, matrix: int, *, full: bool) -> av.VideoFrame:
    """The picture as a frame of that layout; alpha and grey as they come."""
    kind = "rgba" if pixels.shape[2] == 4 else "rgb24"
    frame = av.VideoFrame.from_ndarray(pixels, format=kind)
    return frame.reformat(
        format=layout,
        dst_colorspace=matrix if matrix != 2 else 5,
        dst_color_range=2 if full else 1,
        interpolation=0x4 | 0x40000 | 0x2000 | 0x4000,
    )


def _cover(file: av.container.OutputContainer) -> Packet:
    """An attached picture of another size."""
    stream = file.add_stream("mjpeg", rate=1)
    stream.width, stream.height, stream.pix_fmt = 32, 32, "yuvj420p"
    stream.disposition = av.stream.Disposition.attached_pic
    frame = av.VideoFrame.from_ndarray(np.full((32, 32, 3), 77, np.uint8), format="rgb24")
    return [*stream.encode(frame.reformat(format="yuvj420p")), *stream.encode(None)][0]


def with_matrix(path: Path, a: int, b: int, c: int, d: int) -> Path:
    """The mp4 with another display matrix of the video."""
    data = bytearray(path.read_bytes())
    place = data.index(b"tkhd") + 4 + 40  # version 0: the matrix stands behind 40 bytes
    for offset, value in ((0, a), (4, b), (12, c), (16, d)):
        data[place + offset : place + offset + 4] = struct.pack(">i", value << 16)
    path.write_bytes(data)
    return path


def with_edit_list(path: Path, *, start: Fraction, seconds: Fraction) -> Path:
    """The mp4 shows only a stretch, as after a trim without encoding anew."""
    data = bytearray(path.read_bytes())
    place = data.index(b"elst") + 4
    timescale = struct.unpack(">I", data[data.index(b"mvhd") + 16 : data.index(b"mvhd") + 20])[0]
    media = struct.unpack(">I", data[data.index(b"mdhd") + 16 : data.index(b"mdhd") + 20])[0]
    data[place + 8 : place + 16] = struct.pack(">Ii", round(seconds * timescale), round(start * media))
    path.write_bytes(data)
    return path


def joined(path: Path, *parts: Path) -> Path:
    """Files one behind the other."""
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    return path


def cut(path: Path, share: float) -> Path:
    """Only the first bytes are left."""
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path
