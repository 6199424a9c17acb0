"""Pictures are read as viewers show them, against values by hand."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from frameweave.errors import InputError
from frameweave.video import frames_at, probe, read_frames, timeline
from frameweave.video.sequences import sequence_of
from frameweave.video.stills import opened_picture, pixels_of
from odd_videos import QUARTERS, card, number_of, quarters_of

CARD = Image.fromarray(card(3))
RAMP = np.linspace(0, 1, 64)[None].repeat(48, 0)
STORED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
"""What a camera that notes the orientation has done to the picture."""


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
def test_all_orientations(tmp_path: Path, orientation: int, suffix: str) -> None:
    stored = CARD if orientation == 1 else CARD.transpose(STORED[orientation])
    exif = stored.getexif()
    exif[0x0112] = orientation
    path = tmp_path / f"a{suffix}"
    stored.save(path, exif=exif, **({} if suffix in (".png", ".tif") else {"quality": 98}))
    info, (frame,) = probe(path), read_frames(path)
    assert (info.width, info.height) == (64, 48)
    assert frame.pixels.shape == (48, 64, 3)
    assert np.abs(np.array(quarters_of(frame.pixels)) - QUARTERS).max() <= 16


def grey(name: str, scale: float, kind: str) -> tuple[str, Callable[[Path], None]]:
    def save(path: Path) -> None:
        Image.fromarray((RAMP * scale).astype(kind)).save(path)

    return name, save


@pytest.mark.parametrize(
    ("name", "save"),
    [
        grey("a.png", 255, "u1"),
        grey("b.png", 65535, "u2"),
        grey("c.tif", 65535, "u2"),
        grey("d.tif", 65535, ">u2"),
        grey("e.tif", 1, "f4"),
        grey("f.tif", 255, "f4"),
        grey("g.tif", 255, "i4"),
        grey("h.tif", 65535, "i4"),
    ],
)
def test_greys_of_every_depth(tmp_path: Path, name: str, save: Callable[[Path], None]) -> None:
    save(tmp_path / name)
    (frame,) = read_frames(tmp_path / name)
    assert np.abs(frame.pixels - (RAMP * 255)[..., None]).max() <= 1


@pytest.mark.parametrize("mode", ["RGB", "CMYK", "L", "1", "P", "LA", "RGBA"])
def test_every_mode(tmp_path: Path, mode: str) -> None:
    """Opaque white and black come as they are in all modes."""
    picture = Image.new("L", (16, 8))
    picture.paste(255, (8, 0, 16, 8))
    path = tmp_path / ("a.tif" if mode in ("CMYK",) else "a.png")
    picture.convert("RGBA").convert("RGB" if mode == "CMYK" else mode).convert(mode).save(path)
    (frame,) = read_frames(path)
    assert frame.pixels[:, :8].max() == 0 and frame.pixels[:, 8:].min() == 255


def test_what_is_transparent_lies_on_white(tmp_path: Path) -> None:
    values = np.zeros((8, 8, 4), np.uint8)
    values[:4, :, 3], values[4:, :, 3] = 0, 128
    Image.fromarray(values).save(tmp_path / "a.png")
    (frame,) = read_frames(tmp_path / "a.png")
    assert frame.pixels[0, 0].tolist() == [255] * 3
    assert frame.pixels[7, 0].tolist() == pytest.approx([127] * 3, abs=1)
    palette = Image.new("P", (8, 8), 1)
    palette.putpalette([255, 0, 0, 0, 0, 255])
    palette.save(tmp_path / "b.png", transparency=1)
    (frame,) = read_frames(tmp_path / "b.png")
    assert frame.pixels.min() == 255


def test_profiles_are_converted(tmp_path: Path) -> None:
    """sRGB's own changes nothing; one whose red and blue are swapped changes all."""
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = bytearray(srgb)
    red, blue = srgb.index(b"rXYZ"), srgb.index(b"bXYZ")
    swapped[red : red + 4], swapped[blue : blue + 4] = b"bXYZ", b"rXYZ"
    picture = Image.new("RGB", (8, 8), (200, 60, 20))
    for name, profile, expected in (
        ("a.png", srgb, (200, 60, 20)),
        ("b.png", bytes(swapped), (20, 60, 200)),
        ("c.png", b"no profile", (200, 60, 20)),
    ):
        picture.save(tmp_path / name, icc_profile=profile)
        (frame,) = read_frames(tmp_path / name)
        assert np.abs(frame.pixels.astype(int) - expected).max() <= 2, name
    picture.convert("RGBA").save(tmp_path / "d.png", icc_profile=bytes(swapped))
    (frame,) = read_frames(tmp_path / "d.png")
    assert np.abs(frame.pixels.astype(int) - (20, 60, 200)).max() <= 2


DURATIONS = [100, 300, 50, 200, 100]


@pytest.mark.parametrize(("name", "timed"), [("a.webp", True), ("a.png", True), ("a.tif", False)])
def test_animations_are_videos(tmp_path: Path, name: str, timed: bool) -> None:
    pages = [Image.fromarray(card(number)) for number in range(5)]
    how = {"lossless": True} if name.endswith("webp") else {}
    pages[0].save(tmp_path / name, save_all=True, append_images=pages[1:], duration=DURATIONS, **how)
    info, shown = probe(tmp_path / name), list(read_frames(tmp_path / name))
    assert [number_of(frame.pixels) for frame in shown] == list(range(5))
    starts = np.cumsum([0, *DURATIONS[:-1]]) / 1000 if timed else np.arange(5) / 8
    assert [float(frame.time) for frame in shown] == pytest.approx(list(starts))
    assert (info.frames, info.timed) == (5, timed)
    assert info.fps == (Fraction(5 * 1000, sum(DURATIONS)) if timed else 8)
    line = timeline(tmp_path / name)
    assert line.times == tuple(frame.time for frame in shown)
    ((_, pixels),) = frames_at(tmp_path / name, line, [3])
    assert number_of(pixels) == 3


def test_a_second_picture_need_be_no_second_frame(tmp_path: Path) -> None:
    """Phones put previews into JPEG and TIFF files; APNGs may have a cover that is no frame."""
    page = Image.fromarray(card(1))
    page.save(tmp_path / "a.jpg", "MPO", save_all=True, append_images=[page], quality=95)
    page.save(tmp_path / "a.tif", save_all=True, append_images=[page.resize((32, 24))])
    others = [Image.fromarray(card(number)) for number in (2, 3)]
    page.save(tmp_path / "a.png", save_all=True, append_images=others, default_image=True, duration=100)
    counts = {path.suffix: len(list(read_frames(path))) for path in tmp_path.iterdir()}
    assert counts == {".jpg": 1, ".tif": 1, ".png": 2}
    assert [number_of(frame.pixels) for frame in read_frames(tmp_path / "a.png")] == [2, 3]


def test_an_animation_among_pictures_is_refused(tmp_path: Path) -> None:
    page = Image.fromarray(card(1))
    page.save(tmp_path / "a.png")
    page.save(tmp_path / "b.webp", save_all=True, append_images=[Image.fromarray(card(2))])
    with pytest.raises(InputError, match=r"b.webp: 2 frames in one of 2 pictures"):
        probe(tmp_path)


def test_what_systems_leave_beside_pictures_is_no_picture(tmp_path: Path) -> None:
    CARD.save(tmp_path / "0.png")
    (tmp_path / "._0.png").write_bytes(b"\0\5\26\7")
    assert probe(tmp_path).frames == 1
    assert len(timeline(tmp_path)) == 1


@pytest.mark.filterwarnings("error")
def test_floats_that_are_no_numbers_are_black_or_white(tmp_path: Path) -> None:
    values = np.array([[0.0, 1.0], [np.nan, np.inf]], np.float32)
    Image.fromarray(values).save(tmp_path / "a.tif")
    with opened_picture(tmp_path / "a.tif") as image:
        assert pixels_of(image)[..., 0].tolist() == [[0, 255], [0, 255]]


def test_white_is_the_same_in_all_float_pictures_of_a_sequence(tmp_path: Path) -> None:
    for number, glare in enumerate((1.0, 1.9, 2.2)):
        values = np.full((4, 4), 0.5, np.float32)
        values[0, 0] = glare
        Image.fromarray(values).save(tmp_path / f"{number}.tif")
    shown = [frame.pixels[2, 2, 0] for frame in sequence_of(tmp_path).frames()]
    assert len(set(shown)) == 1
