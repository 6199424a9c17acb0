"""Transparent videos lie on white, or on black where a mask is read; the note is true."""

from pathlib import Path

import av
import numpy as np
import pytest

from frameweave.video import frames_at, probe, read_frames, timeline
from odd_videos import frame_of

RED = (220, 40, 40)


def half_transparent(path: Path, codec: str, layout: str) -> Path:
    """Red in the upper half, nothing in the lower one."""
    pixels = np.zeros((48, 64, 4), np.uint8)
    pixels[..., :3] = RED
    pixels[:24, :, 3] = 255
    options = {"crf": "8", "b": "0"} if codec.startswith("libvpx") else {}
    with av.open(str(path), "w") as file:
        stream = file.add_stream(codec, rate=10, options=options)
        stream.width, stream.height, stream.pix_fmt = 64, 48, layout
        stream.codec_context.colorspace, stream.codec_context.color_range = 5, 1
        for _ in range(3):
            file.mux(stream.encode(frame_of(pixels, layout, 5, full=False)))
        file.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(
    ("name", "codec", "layout"),
    [
        ("vp9.webm", "libvpx-vp9", "yuva420p"),
        ("bgra.mkv", "ffv1", "bgra"),
        ("planes.mkv", "ffv1", "yuva444p"),
        ("gbrap.avi", "utvideo", "gbrap"),
        ("run lengths.mov", "qtrle", "argb"),
        ("png.mov", "png", "rgba"),
        ("prores.mov", "prores_ks", "yuva444p10le"),
    ],
)
def test_what_is_transparent_lies_on_white(tmp_path: Path, name: str, codec: str, layout: str) -> None:
    path = half_transparent(tmp_path / name, codec, layout)
    assert "transparency is laid on white" in probe(path).notes
    for ground in (255, 0):
        frames = list(read_frames(path, background=ground))
        assert len(frames) == 3
        for frame in frames:
            assert np.abs(frame.pixels[4, 30].astype(int) - RED).max() <= 6
            assert np.abs(frame.pixels[44, 30].astype(int) - ground).max() <= 4
    ((_, pixels),) = frames_at(path, timeline(path), [2], threads=1)
    assert np.array_equal(pixels, next(reversed(list(read_frames(path)))).pixels)
