"""Depth on one scale for a clip; a clip's own files."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from frameweave.data.depth_maps import own_depth, stored
from frameweave.data.options import GroupSettings
from frameweave.errors import DataError

FULL = GroupSettings(size=16, resize="squash")


def values(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)))


@pytest.mark.parametrize("bits", [8, 16])
def test_all_groups_share_one_scale_and_come_back(bits: int) -> None:
    rng = np.random.default_rng(0)
    groups = [rng.uniform(-3, 5, (2, 16, 16)).astype(np.float32) * k for k in (1, 2)]
    found = stored(groups, bits=bits, by="x")
    assert found.scale.low == pytest.approx(min(g.min() for g in groups))
    assert found.scale.high == pytest.approx(max(g.max() for g in groups))
    step = (found.scale.high - found.scale.low) / (2**bits - 1)
    for maps, group in zip(found.maps, groups, strict=True):
        for png, right in zip(maps, group, strict=True):
            assert values(png).dtype == (np.uint16 if bits == 16 else np.uint8)
            assert np.abs(found.scale.low + values(png) * step - right).max() <= 0.51 * step


def test_flat_depth_is_no_division_by_zero() -> None:
    found = stored([np.full((1, 4, 4), 7, np.float32)], bits=16, by="x")
    assert values(found.maps[0][0]).max() == 0 and found.scale.low == found.scale.high == 7


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [0, 1])
def test_depth_that_is_not_finite_is_told_wherever_it_is(wrong: float, place: int) -> None:
    groups = [np.zeros((1, 4, 4), np.float32), np.ones((1, 4, 4), np.float32)]
    groups[place][0, 1, 1] = wrong
    with pytest.raises(DataError, match="not finite"):
        stored(groups, bits=16, by="x")


def test_own_maps_from_an_array_and_from_a_folder(tmp_path: Path) -> None:
    maps = np.random.default_rng(0).integers(0, 65535, (5, 16, 16)).astype(np.uint16)
    np.save(tmp_path / "a.depth.npy", maps)
    (tmp_path / "a.depth").mkdir()
    for index, one in enumerate(maps):
        Image.fromarray(one).save(tmp_path / "a.depth" / f"{index:06}.png")
    for path in ("a.depth.npy", "a.depth"):
        found = own_depth(str(tmp_path / path), [1, 4], FULL, frames=5)
        assert np.array_equal(found, maps[[1, 4]].astype(np.float32))


def test_maps_of_a_folder_come_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for k in range(12):
        Image.fromarray(np.full((16, 16), k, np.uint16)).save(tmp_path / f"{k}.png")
    found = own_depth(str(tmp_path), range(12), FULL, frames=12)
    assert found[:, 0, 0].tolist() == list(range(12))


def test_own_maps_are_cropped_as_the_pictures_are(tmp_path: Path) -> None:
    maps = np.random.default_rng(0).uniform(0, 1, (1, 16, 24)).astype(np.float16)
    np.save(tmp_path / "a.npy", maps)
    found = own_depth(str(tmp_path / "a.npy"), [0], GroupSettings(size=16), frames=1)
    assert np.allclose(found[0], maps[0, :, 4:20], atol=1e-3)


def test_wrong_files_are_told(tmp_path: Path) -> None:
    class Canary:
        def __reduce__(self) -> tuple:
            return (Path.touch, (tmp_path / "opened",))

    np.save(tmp_path / "pickle.npy", np.array([Canary()], dtype=object), allow_pickle=True)
    np.save(tmp_path / "flat.npy", np.zeros((3, 4)))
    np.save(tmp_path / "many.npy", np.zeros((9, 4, 4)))
    (tmp_path / "text.npy").write_text("no array")
    (tmp_path / "empty.npy").touch()
    np.savez(tmp_path / "several.npz", a=np.zeros((3, 4, 4)))
    (tmp_path / "several.npz").rename(tmp_path / "several.npy")
    (tmp_path / "damaged").mkdir()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (300, 300), np.uint8)).save(
        tmp_path / "damaged" / "0.png"
    )
    picture = bytearray((tmp_path / "damaged" / "0.png").read_bytes())
    second = picture.index(b"IDAT", picture.index(b"IDAT") + 4)
    picture[second : second + 4] = bytes(4)
    (tmp_path / "damaged" / "0.png").write_bytes(picture)
    (tmp_path / "few").mkdir()
    Image.new("RGB", (4, 4)).save(tmp_path / "few" / "0.png")
    for path, numbers, message in (
        ("pickle.npy", [0], "not an array of depth"),
        ("flat.npy", [0], r"shape \[3, 4\]"),
        ("text.npy", [0], "not an array of depth"),
        ("empty.npy", [0], "not an array of depth"),
        ("several.npy", [0], "several arrays, expected one"),
        ("damaged", [0], "not a picture"),
        ("few", [1], "1 maps for 2 frames"),
        ("many.npy", [1], "9 maps for 2 frames"),
        ("few", [0], "a colour picture"),
        ("absent.npy", [0], "not an array of depth"),
    ):
        with pytest.raises(DataError, match=message):
            own_depth(str(tmp_path / path), numbers, FULL, frames=numbers[-1] + 1)
    assert not (tmp_path / "opened").exists()
