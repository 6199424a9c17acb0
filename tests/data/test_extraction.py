"""A clip's groups are its own frames, encoded; what cannot be read says why."""

import io
from fractions import Fraction
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from PIL import Image

from frameweave.data.extraction import extract
from frameweave.data.grouping import members
from frameweave.data.options import GroupSettings
from frameweave.errors import InputError
from frameweave.video import read_frames
from videos import blobs, colour_ramp, enormous_gif, write_video

PLAIN = GroupSettings(size=32, picture="png", per_clip=3, frames=2)


def test_groups_hold_the_clip_s_own_frames(tmp_path: Path) -> None:
    video = write_video(tmp_path / "a.mp4", blobs(20), fps=10)
    found = extract(str(video), "a", PLAIN)
    whole = [picture.pixels for picture in read_frames(video)]
    assert (found.width, found.height, found.frames, found.seconds) == (48, 32, 20, 1.9)
    assert len(found.groups) == 3
    for group in found.groups:
        assert group.numbers == tuple(members(group.numbers[0], PLAIN))
        assert group.times == tuple(number / 10 for number in group.numbers)
        for number, picture in zip(group.numbers, group.pictures, strict=True):
            shown = np.asarray(Image.open(io.BytesIO(picture)))
            assert np.array_equal(shown, whole[number][:, 8:40])


def test_no_group_lies_across_a_cut(tmp_path: Path) -> None:
    """Scenes of four frames in a clip of thirteen parts: some first choices meet a cut, and are moved."""
    scenes = np.concatenate([blobs(4, seed) // 2 + 127 * (seed % 2) for seed in range(10)])
    video = write_video(tmp_path / "a.mp4", scenes.astype(np.uint8))
    found = extract(str(video), "a", GroupSettings(size=32, per_clip=13, frames=2, picture="png"))
    assert found.passed_over.get("cut", 0) > 0
    assert len(found.groups) >= 8
    assert all(group.numbers[0] // 4 == group.numbers[1] // 4 for group in found.groups)


def test_frozen_clips_and_short_ones_give_nothing(tmp_path: Path) -> None:
    frozen = write_video(tmp_path / "a.mp4", np.repeat(blobs(1), 12, axis=0), pixel_format="yuv444p")
    settings = GroupSettings(size=32, still=0.02, frames=3)
    found = extract(str(frozen), "a", settings)
    assert found.groups == () and set(found.passed_over) == {"still"}
    short = write_video(tmp_path / "b.mp4", blobs(2))
    found = extract(str(short), "b", settings)
    assert (found.groups, found.frames, found.passed_over) == ((), 2, {})


@pytest.mark.parametrize("picture", ["jpg", "webp"])
def test_encoding_is_near_and_the_same_every_time(tmp_path: Path, picture: Literal["jpg", "webp"]) -> None:
    video = write_video(tmp_path / "a.mp4", colour_ramp(12, (40, 40)))
    settings = GroupSettings(size=40, picture=picture, cut=1.0)
    found, again = (extract(str(video), "a", settings) for _ in range(2))
    assert found == again
    exact = extract(str(video), "a", GroupSettings(size=40, picture="png", cut=1.0))
    for a, b in zip(found.groups, exact.groups, strict=True):
        for one, other in zip(a.pictures, b.pictures, strict=True):
            shown, right = (np.asarray(Image.open(io.BytesIO(data)), int) for data in (one, other))
            assert np.abs(shown - right).max() < 8


def test_what_is_no_video_says_why(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "a.mp4", blobs(30), faststart=True).read_bytes()
    cases = {
        "missing": tmp_path / "absent.mp4",
        "not_a_video": tmp_path / "text.mp4",
        "no_pictures": write_video(tmp_path / "sound.mp4", colour_ramp(0, (8, 8)), sound=1),
        "truncated": tmp_path / "torn.mp4",
        "too_large": enormous_gif(tmp_path / "big.gif", side=60_000),
    }
    cases["not_a_video"].write_bytes(b"")
    cases["truncated"].write_bytes(whole[: len(whole) // 2])
    for reason, path in cases.items():
        with pytest.raises(InputError) as caught:
            extract(str(path), "a", PLAIN)
        assert caught.value.reason == reason, (reason, str(caught.value))


def test_pixels_that_are_not_square_are_shown_as_they_are(tmp_path: Path) -> None:
    """A circle stays one: 120 x 90 pixels of 4:3 are shown at 160 x 90."""
    rows, columns = np.mgrid[:90, :120]
    circle = ((columns - 60) * 4 / 3) ** 2 + (rows - 45) ** 2 < 30**2
    frames = np.repeat(circle[None, :, :, None], 6, 0).repeat(3, 3).astype(np.uint8) * 255
    video = write_video(tmp_path / "a.mp4", frames, pixel_shape=Fraction(4, 3))
    found = extract(str(video), "a", GroupSettings(size=90, picture="png", frames=2))
    shown = np.asarray(Image.open(io.BytesIO(found.groups[0].pictures[0])).convert("L")) > 127
    assert (found.width, found.height) == (120, 90)
    assert abs(int(shown.any(0).sum()) - int(shown.any(1).sum())) <= 1
