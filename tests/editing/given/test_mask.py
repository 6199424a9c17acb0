"""Masks of every kind say what is edited, and are refused where they would say nothing."""

from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from frameweave.editing.given.mask import Mask
from frameweave.errors import InputError

INSIDE = np.s_[16:48, 16:48]


def square(outside: float, inside: float, kind: str, channels: int = 0) -> NDArray[np.generic]:
    """A picture of 64 x 64 with a square in it."""
    values = np.full((64, 64, channels) if channels else (64, 64), outside, kind)
    values[INSIDE] = inside
    return values


def saved(path: Path, values: NDArray[np.generic], mode: str | None = None) -> Path:
    picture = Image.fromarray(values)
    (picture.convert(mode) if mode else picture).save(path)
    return path


def coloured(colour: tuple[int, int, int], outside: tuple[int, int, int] = (0, 0, 0)) -> NDArray[np.uint8]:
    values = np.full((64, 64, 3), outside, np.uint8)
    values[INSIDE] = colour
    return values


def white_on_nothing() -> NDArray[np.generic]:
    values = square(255, 255, "u1", 4)
    values[..., 3] = square(0, 255, "u1")
    return values


@pytest.mark.parametrize(
    ("name", "values", "mode", "outside"),
    [
        ("rgb.png", square(0, 255, "u1", 3), None, 0),
        ("grey.png", square(0, 255, "u1"), None, 0),
        ("one bit.png", square(0, 255, "u1"), "1", 0),
        ("white on nothing.png", white_on_nothing(), None, 0),
        ("white on nothing.webp", white_on_nothing(), None, 0),
        ("sixteen bits.png", square(0, 65535, "u2"), None, 0),
        ("sixteen bits.tif", square(0, 65535, "u2"), None, 0),
        ("dark grey outside.png", square(6000, 65535, "u2"), None, 6000 / 65535),
        ("floats.tif", square(0, 1, "f4"), None, 0),
        ("integers.tif", square(0, 255, "i4"), None, 0),
    ],
)
def test_the_square_is_edited(
    tmp_path: Path, name: str, values: NDArray[np.generic], mode: str | None, outside: float
) -> None:
    mask = Mask(saved(tmp_path / name, values, mode), (64, 64))
    assert mask.check(3) == ()
    for weight in islice(mask.weights(), 3):
        assert weight.shape == (64, 64, 1)
        assert weight[INSIDE].min() == pytest.approx(1, abs=1e-3)
        assert weight[:16].max() == pytest.approx(outside, abs=3e-3)


@pytest.mark.parametrize(
    ("name", "values", "mode", "note"),
    [
        ("one.png", square(0, 1, "u1"), None, "numbers up to 1"),
        ("three.png", square(0, 3, "u1"), None, "numbers up to 3"),
        ("palette.png", coloured((128, 0, 0)), "P", "has colours"),
        ("red.png", coloured((236, 95, 103)), None, "has colours"),
        ("red.jpg", coloured((236, 95, 103), (2, 0, 1)), None, "has colours"),
    ],
)
def test_labels_are_masks_and_it_is_said(
    tmp_path: Path, name: str, values: NDArray[np.uint8], mode: str | None, note: str
) -> None:
    """As DAVIS and other sets number objects: by a palette, by colours, by small numbers."""
    mask = Mask(saved(tmp_path / name, values, mode), (64, 64))
    (said,) = mask.check(3)
    assert note in said
    weight = next(mask.weights())
    assert weight[20:44, 20:44].min() == 1 and weight[:8].max() == 0


def test_two_objects_of_one_picture_are_edited_alike(tmp_path: Path) -> None:
    numbers = square(0, 2, "u1")
    numbers[:8, :8] = 1
    palette = Image.frombytes("P", (64, 64), numbers.tobytes())
    palette.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0])
    palette.save(tmp_path / "davis.png")
    weight = next(Mask(tmp_path / "davis.png", (64, 64)).weights())
    assert weight[:8, :8].min() == 1 and weight[INSIDE].min() == 1 and weight[:8, 16:].max() == 0


def test_a_mask_that_is_nowhere_white_is_said(tmp_path: Path) -> None:
    mask = Mask(saved(tmp_path / "grey.png", square(0, 128, "u1")), (64, 64))
    assert mask.check(1) == ("the mask is white nowhere: its lightest grey, 128 of 255, edits in part",)
    assert next(mask.weights())[INSIDE].max() == pytest.approx(128 / 255)


def test_a_mask_that_edits_nothing_or_everything_is_said(tmp_path: Path) -> None:
    black = Mask(saved(tmp_path / "a.png", square(0, 0, "u1")), (64, 64))
    with pytest.raises(InputError, match=r"a.png: the mask is all black, so nothing would be edited"):
        black.check(1)
    white = Mask(saved(tmp_path / "b.png", square(255, 255, "u1")), (64, 64))
    assert white.check(1) == ("the mask is white everywhere: all of each frame is edited",)
    for name, values in (("c.png", square(2, 1, "u1")), ("d.png", coloured((128, 0, 0), (0, 64, 0)))):
        assert any(
            "white everywhere" in note for note in Mask(saved(tmp_path / name, values), (64, 64)).check(1)
        )


def test_a_mask_of_another_shape_is_refused(tmp_path: Path) -> None:
    narrow = saved(tmp_path / "a.png", np.full((64, 32), 255, np.uint8))
    with pytest.raises(InputError, match=r"a.png: a mask of 32 x 64 pixels, the video has 64 x 64"):
        Mask(narrow, (64, 64)).check(1)
    half = saved(tmp_path / "b.png", square(0, 255, "u1"))
    assert Mask(half, (128, 128)).check(1) == ()
    assert next(Mask(half, (127, 126)).weights()).shape == (126, 127, 1)


def test_a_turned_mask_is_upright(tmp_path: Path) -> None:
    """Stored on its side, and shown at the size of the video."""
    picture = Image.fromarray(np.repeat(np.uint8([[255], [0]]), [16, 16], axis=0).repeat(64, axis=1))
    exif = picture.getexif()
    exif[0x0112] = 6
    picture.save(tmp_path / "a.png", exif=exif)
    mask = Mask(tmp_path / "a.png", (32, 64))
    assert mask.check(1) == ()
    weight = next(mask.weights())
    assert weight[:, 16:].min() == 1 and weight[:, :16].max() == 0


def test_an_animated_mask_moves(tmp_path: Path) -> None:
    pages = []
    for place in (0, 20, 40):
        values = np.zeros((64, 64), np.uint8)
        values[:, place : place + 20] = 255
        pages.append(Image.fromarray(values))
    pages[0].save(tmp_path / "a.webp", save_all=True, append_images=pages[1:], lossless=True)
    mask = Mask(tmp_path / "a.webp", (64, 64))
    assert mask.check(3) == ()
    assert [int(weight[0].argmax()) for weight in islice(mask.weights(), 3)] == [0, 20, 40]
    with pytest.raises(InputError, match="a mask of 3 frames, expected 5, as many as are edited"):
        mask.check(5)
