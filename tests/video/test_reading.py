"""Reading: generated files of many kinds, and files that are broken."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from frameweave.errors import InputError
from frameweave.video import probe, read_frames, timeline
from videos import colour_ramp, enormous_gif, write_video


def test_constant_rate(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", colour_ramp(7, (48, 32)), fps=25)
    info = probe(path)
    assert (info.width, info.height, info.frames, info.fps) == (48, 32, 7, 25)
    frames = list(read_frames(path))
    assert [f.time for f in frames] == [Fraction(i, 25) for i in range(7)]
    for index, frame in enumerate(frames):
        assert np.abs(frame.pixels.astype(int) - colour_ramp(7, (48, 32))[index]).mean() < 6


def test_variable_rate_keeps_each_frames_time(tmp_path: Path) -> None:
    times = [Fraction(t, 100) for t in (0, 4, 8, 30, 31, 90)]
    path = write_video(tmp_path / "a.mp4", colour_ramp(6, (32, 32)), times=times)
    assert [f.time for f in read_frames(path)] == times


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_rotated_files_are_read_upright(tmp_path: Path, degrees: int) -> None:
    picture = np.zeros((1, 32, 64, 3), np.uint8)
    picture[:, :16, :32] = 250  # the stored picture is bright in its upper left
    path = write_video(tmp_path / "a.mp4", picture, fps=8, rotation=degrees)
    info = probe(path)
    assert info.rotation == degrees
    (frame,) = read_frames(path)
    assert frame.pixels.shape[:2] == (info.height, info.width) == ((64, 32) if degrees != 180 else (32, 64))
    height, width = frame.pixels.shape[:2]
    corners = {
        "upper left": frame.pixels[: height // 2, : width // 2],
        "lower left": frame.pixels[height // 2 :, : width // 2],
        "lower right": frame.pixels[height // 2 :, width // 2 :],
        "upper right": frame.pixels[: height // 2, width // 2 :],
    }
    # the display matrix turns the stored picture counter-clockwise by the angle
    expected = {90: "lower left", 180: "lower right", 270: "upper right"}[degrees]
    assert max(corners, key=lambda name: corners[name].mean()) == expected


def test_odd_sizes_and_ten_bits(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", colour_ramp(3, (33, 17)), fps=8, pixel_format="yuv444p")
    assert next(read_frames(path)).pixels.shape == (17, 33, 3)
    path = write_video(tmp_path / "b.mkv", colour_ramp(3, (32, 16)), fps=8, pixel_format="yuv420p10le")
    assert probe(path).notes == ("10-bit colour is read as 8-bit",)
    assert np.abs(next(read_frames(path)).pixels.astype(int) - colour_ramp(3, (32, 16))[0]).mean() < 6


def test_pictures_come_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for number in (1, 9, 10, 100):
        Image.new("RGB", (8, 8), (number, 0, 0)).save(tmp_path / f"frame {number}.png")
    assert [int(frame.pixels[0, 0, 0]) for frame in read_frames(tmp_path)] == [1, 9, 10, 100]


def test_folder_with_transparency(tmp_path: Path) -> None:
    for index, alpha in enumerate((0, 255)):
        Image.new("RGBA", (8, 6), (0, 0, 0, alpha)).save(tmp_path / f"{index}.png")
    white, black = read_frames(tmp_path)
    assert white.pixels.min() == 255
    assert black.pixels.max() == 0
    assert probe(tmp_path).frames == 2


def test_gif_of_pillow_is_read(tmp_path: Path) -> None:
    pictures = [Image.new("RGB", (20, 10), colour) for colour in ("red", "lime", "blue")]
    pictures[0].save(tmp_path / "a.gif", save_all=True, append_images=pictures[1:], duration=200)
    frames = list(read_frames(tmp_path / "a.gif"))
    assert [tuple(f.pixels[5, 10]) for f in frames] == [(255, 0, 0), (0, 255, 0), (0, 0, 255)]
    assert [f.time for f in frames] == [0, Fraction(1, 5), Fraction(2, 5)]


def test_only_the_first_frames(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", colour_ramp(9, (32, 32)), fps=8)
    assert len(list(read_frames(path, first=4))) == 4


def test_missing_file() -> None:
    with pytest.raises(InputError, match="no such file"):
        probe(Path("absent.mp4"))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0" * 4096,
        b"just text\n" * 50,
        b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:///etc/hostname\n",
        b"ffconcat version 1.0\nfile /etc/hostname\n",
    ],
)
def test_not_a_video(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(content)
    with pytest.raises(InputError, match="not a readable video"):
        probe(path)


def test_sound_only(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.m4a", colour_ramp(0, (32, 32)), fps=8, sound=1)
    with pytest.raises(InputError, match="found only sound"):
        probe(path)


def test_truncated_anywhere(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "a.mp4", colour_ramp(40, (64, 64)), fps=8, faststart=True).read_bytes()
    for share in (0.01, 0.3, 0.6, 0.9):
        path = tmp_path / "cut.mp4"
        path.write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(InputError, match=r"truncated|not a readable video|found no frame|only sound"):
            probe(path)
            list(read_frames(path))


def test_a_damaged_first_frame(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", colour_ramp(8, (64, 64)), fps=8, faststart=True)
    data = bytearray(path.read_bytes())
    start = data.index(b"mdat") + 4
    data[start:] = bytes(len(data) - start)
    path.write_bytes(data)
    for read in (probe, lambda video: next(read_frames(video))):
        with pytest.raises(InputError, match="decoding stopped after 0 of 8 frames") as caught:
            read(path)
        assert caught.value.hint == "copy it again"


def test_pictures_of_an_unknown_format(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", colour_ramp(2, (32, 32)), fps=8)
    path.write_bytes(path.read_bytes().replace(b"avc1", b"zzzz"))
    for read in (probe, lambda video: next(read_frames(video)), timeline):
        with pytest.raises(InputError, match="in no known format"):
            read(path)


def test_one_pixel(tmp_path: Path) -> None:
    Image.new("RGB", (1, 1), "red").save(tmp_path / "a.png")
    assert next(read_frames(tmp_path)).pixels.tolist() == [[[255, 0, 0]]]


def test_enormous_frames_are_refused_before_decoding(tmp_path: Path) -> None:
    path = enormous_gif(tmp_path / "a.gif", side=30_000)
    with pytest.raises(InputError, match="more than 64 million pixels"):
        probe(path)


def test_folder_without_pictures_and_of_mixed_sizes(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="found no picture"):
        probe(tmp_path)
    Image.new("RGB", (8, 8)).save(tmp_path / "0.png")
    Image.new("RGB", (9, 8)).save(tmp_path / "1.png")
    with pytest.raises(InputError, match="9 x 8 pixels, the first has 8 x 8"):
        list(read_frames(tmp_path))
