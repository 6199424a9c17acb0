"""Colours, against the matrices of the standards by hand; tags; what probing says of unusual pixels."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.reformatter import ColorRange, ColorTrc

from frameweave.video import VideoWriter, probe, read_frames
from videos import colour_ramp, write_video

COLOURS = ((255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0), (200, 40, 40), (20, 90, 170))
LUMA = {1: (0.2126, 0.0722), 5: (0.299, 0.114), 9: (0.2627, 0.0593)}
"""By FFmpeg's number of the matrix: what red and blue weigh in the luma of BT.709, BT.601 and BT.2020."""


def stored_by_hand(colour: tuple[int, int, int], matrix: int, *, full: bool = False) -> list[float]:
    """Y, Cb and Cr in bytes, by the definition that all the standards share."""
    red, green, blue = (part / 255 for part in colour)
    of_red, of_blue = LUMA[matrix]
    luma = of_red * red + (1 - of_red - of_blue) * green + of_blue * blue
    chroma = (blue - luma) / (2 - 2 * of_blue), (red - luma) / (2 - 2 * of_red)
    black, steps, swing = (0, 255, 255) if full else (16, 219, 224)
    return [black + steps * luma, *(128 + swing * part for part in chroma)]


def coded(path: Path, matrix: int, *, tag: int, full: bool = False, size: tuple[int, int] = (32, 32)) -> Path:
    """One frame of each colour in 4:4:4, its numbers made by hand; losslessly coded."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=8, options={"qp": "0"})
        (stream.width, stream.height), stream.pix_fmt = size, "yuv444p"
        stream.codec_context.colorspace = tag
        stream.codec_context.color_range = ColorRange.JPEG if full else ColorRange.MPEG
        for colour in COLOURS:
            numbers = np.rint(stored_by_hand(colour, matrix, full=full)).clip(0, 255).astype(np.uint8)
            planes = np.broadcast_to(numbers[:, None, None], (3, size[1], size[0]))
            container.mux(stream.encode(av.VideoFrame.from_ndarray(planes.copy(), format="yuv444p")))
        container.mux(stream.encode(None))
    return path


def furthest(path: Path) -> int:
    """The largest difference between what is read and the colours."""
    return max(
        int(np.abs(frame.pixels.astype(int) - colour).max())
        for frame, colour in zip(read_frames(path), COLOURS, strict=True)
    )


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("matrix", LUMA)
def test_tagged_colours_are_read_right(tmp_path: Path, matrix: int, full: bool) -> None:
    assert furthest(coded(tmp_path / "a.mp4", matrix, tag=matrix, full=full)) <= 3


def test_untagged_colours_are_read_as_players_read_them(tmp_path: Path) -> None:
    assert furthest(coded(tmp_path / "small.mp4", 5, tag=2)) <= 3
    assert furthest(coded(tmp_path / "tall.mp4", 1, tag=2, size=(16, 720))) <= 3
    assert furthest(coded(tmp_path / "wide.mp4", 1, tag=2, size=(1280, 16))) <= 3


@pytest.mark.parametrize("size", [(32, 32), (33, 32)])
@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm"])
def test_written_colours_are_bt709_and_say_so(tmp_path: Path, suffix: str, size: tuple[int, int]) -> None:
    path = tmp_path / f"a{suffix}"
    with VideoWriter(path, size=size, fps=8) as writer:
        for index, colour in enumerate(COLOURS):
            pixels = np.broadcast_to(np.array(colour, np.uint8), (size[1], size[0], 3))
            writer.write(pixels, Fraction(index, 8), Fraction(1, 8))
    with av.open(str(path)) as container:
        for frame, colour in zip(container.decode(video=0), COLOURS, strict=True):
            tags = (frame.colorspace, frame.color_range, frame.color_primaries, frame.color_trc)
            assert tags == (1, 1, 1, 1)
            planes = [bytes(plane)[0] for plane in frame.planes]
            assert planes == pytest.approx(stored_by_hand(colour, 1), abs=2.5)
    assert furthest(path) <= 4


def test_pixels_that_are_not_square_are_named(tmp_path: Path) -> None:
    wide = write_video(tmp_path / "a.mp4", colour_ramp(2, (32, 32)), pixel_shape=Fraction(2))
    info = probe(wide)
    assert info.pixel_shape == 2 and info.notes == ("pixels of 2:1 are read as squares",)
    turned = write_video(tmp_path / "b.mp4", colour_ramp(2, (32, 32)), pixel_shape=Fraction(2), rotation=90)
    assert probe(turned).pixel_shape == Fraction(1, 2)
    assert probe(write_video(tmp_path / "c.mp4", colour_ramp(2, (32, 32)))).pixel_shape == 1


def test_hdr_and_interlaced_videos_are_named(tmp_path: Path) -> None:
    def one_frame(path: Path, transfer: int, **options: str) -> Path:
        with av.open(str(path), "w") as container:
            stream = container.add_stream("libx264", rate=8, options=options)
            stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
            stream.codec_context.color_trc = transfer
            container.mux(stream.encode(av.VideoFrame.from_ndarray(colour_ramp(1, (64, 64))[0], "rgb24")))
            container.mux(stream.encode(None))
        return path

    (hdr,) = probe(one_frame(tmp_path / "a.mp4", ColorTrc.SMPTE2084)).notes
    assert hdr.startswith("HDR brightness")
    fields = one_frame(tmp_path / "b.mp4", ColorTrc.BT709, **{"x264-params": "interlaced=1"})
    assert probe(fields).notes == ("interlaced fields are read as one picture",)
