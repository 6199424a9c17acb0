"""What of a video is edited, at which size, and how the result is put back."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from frameweave.editing.footage import Fit, Footage
from frameweave.editing.given.mask import Mask, laid_over
from frameweave.editing.options import EditOptions, GenerateOptions
from frameweave.errors import InputError
from frameweave.video import TimedPicture, probe, resampled
from frameweave.video.pixels import upright
from odd_videos import coded, cut
from videos import colour_ramp, write_video


def test_sizes_that_do_not_fit_are_padded_and_cropped_back() -> None:
    fit = Fit.of((50, 30), 50, 16)
    assert fit.scaled == (50, 30) and fit.padded == (64, 32)
    frames = torch.rand(2, 3, 30, 50)
    padded = fit.apply(frames)
    assert padded.shape == (2, 3, 32, 64)
    assert torch.equal(padded[:, :, 30:], padded[:, :, 29:30].expand(-1, -1, 2, -1))
    assert torch.equal(fit.undo(padded), frames)


def test_the_aspect_is_kept() -> None:
    assert Fit.of((1280, 720), 512, 64).scaled == (512, 288)
    assert Fit.of((720, 1280), 512, 64).padded == (320, 512)


def test_the_range_by_hand(tmp_path: Path) -> None:
    info = probe(write_video(tmp_path / "a.mp4", colour_ramp(8, (16, 16)), fps=4))
    footage = Footage(info, start=0.5, end=1.5)
    assert [footage.edited(picture) for picture in footage.pictures()] == [
        k in (2, 3, 4, 5) for k in range(8)
    ]
    fit = Fit.of((16, 16), 16, 16)
    assert [len(batch) for batch in footage.batches(fit, 3)] == [3, 1]


def test_a_range_begins_and_ends_at_frames_on_round_times(tmp_path: Path) -> None:
    """0.1 s is the second frame at 10 fps, though the nearest binary number lies after it."""
    info = probe(write_video(tmp_path / "a.mp4", colour_ramp(12, (16, 16)), fps=10))
    for start, end, frames in ((0.1, 0.4, (1, 2, 3)), (0.3, 1.1, tuple(range(3, 11)))):
        footage = Footage(info, start=start, end=end)
        times = [picture.time for picture in footage.pictures() if footage.edited(picture)]
        assert times == [Fraction(frame, 10) for frame in frames]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"start": -1.0}, "from -1 s"),
        ({"start": 2.0, "end": 2.0}, "from 2 s to 2 s"),
    ],
)
def test_wrong_ranges(settings: dict[str, float], message: str, tmp_path: Path) -> None:
    info = probe(write_video(tmp_path / "a.mp4", colour_ramp(2, (16, 16)), fps=4))
    with pytest.raises(InputError, match=message):
        Footage(info, **settings)


def test_a_range_behind_the_end(tmp_path: Path) -> None:
    info = probe(write_video(tmp_path / "a.mp4", colour_ramp(2, (16, 16)), fps=4))
    Footage(info, start=0.25).check()
    with pytest.raises(InputError, match="no frame lies in the range to edit"):
        Footage(info, start=0.5).check()


def test_a_mask_leaves_the_rest_bit_for_bit() -> None:
    rng = np.random.default_rng(0)
    source, edited = (rng.integers(0, 256, (4, 6, 3), dtype=np.uint8) for _ in range(2))
    weight = np.zeros((4, 6, 1), np.float32)
    weight[:2] = 1
    weight[2] = 0.5
    found = laid_over(source, edited, weight)
    assert np.array_equal(found[:2], edited[:2])
    assert np.array_equal(found[3], source[3])
    assert np.array_equal(found[2], np.rint((source[2].astype(float) + edited[2]) / 2).astype(np.uint8))


def test_masks_are_pictures_or_videos_of_as_many_frames(tmp_path: Path) -> None:
    pixels = np.zeros((8, 8, 3), np.uint8)
    pixels[:4] = 255
    Image.fromarray(pixels).save(tmp_path / "mask.png")
    one = Mask(tmp_path / "mask.png", (16, 16))
    one.check(5)
    weights = one.weights()
    assert np.array_equal(next(weights), next(weights))
    first = next(weights)
    assert first.shape == (16, 16, 1) and first[0, 0] == 1 and first[-1, 0] == 0
    moving = Mask(write_video(tmp_path / "mask.mp4", colour_ramp(3, (16, 16)), fps=4), (16, 16))
    moving.check(3)
    with pytest.raises(InputError, match="a mask of 3 frames, expected 4, as many as are edited"):
        moving.check(4)
    with pytest.raises(InputError, match="no such file"):
        Mask(tmp_path / "absent.png", (16, 16)).check(1)


def test_resampling_shows_what_was_there() -> None:
    pictures = [
        TimedPicture(np.full((1, 1, 3), k, np.uint8), Fraction(t, 10), Fraction(lasts, 10))
        for k, (t, lasts) in enumerate([(0, 1), (1, 4), (5, 5)])
    ]
    found = list(resampled(iter(pictures), 4))
    assert [int(picture.pixels[0, 0, 0]) for picture in found] == [0, 1, 2, 2]
    assert [picture.time for picture in found] == [Fraction(k, 4) for k in range(4)]
    assert sum(picture.duration for picture in found) == 1


def test_pictures_are_at_the_rate_that_is_given(tmp_path: Path) -> None:
    """Five pictures at 24 frames per second are five frames, not fifteen."""
    for number in range(5):
        Image.new("RGB", (16, 16), (number, 0, 0)).save(tmp_path / f"{number}.png")
    footage = Footage(probe(tmp_path), fps=24)
    assert [picture.time for picture in footage.pictures()] == [Fraction(number, 24) for number in range(5)]
    assert footage.rate == 24
    assert footage.check().notes == ("pictures are shown at 24 frames per second",)
    assert Footage(probe(tmp_path)).check().notes == ("pictures are shown at 8 frames per second",)
    late = Footage(probe(tmp_path), fps=24, start=2 / 24 + 1e-9)
    assert late.check().edited == 2


def test_a_range_is_decoded_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = probe(coded(tmp_path / "a.mp4", [k % 19 for k in range(60)], g="10"))
    footage = Footage(info, start=4.5, end=5.0)
    whole = [picture for picture in footage.pictures() if footage.edited(picture)]
    decoded: list[int] = []

    def counting(frame: Any, *args: Any, **more: Any) -> Any:
        decoded.append(frame.pts)
        return upright(frame, *args, **more)

    monkeypatch.setattr("frameweave.video.seeking.upright", counting)
    found = list(footage.edited_pictures())
    assert [(one.time, one.duration) for one in found] == [(one.time, one.duration) for one in whole]
    for one, other in zip(found, whole, strict=True):
        assert np.array_equal(one.pixels, other.pixels)
    assert len(decoded) <= 6


def test_damage_is_found_before_the_work(tmp_path: Path) -> None:
    path = cut(coded(tmp_path / "a.mp4", range(18), container={"movflags": "faststart"}, g="6"), 0.7)
    with pytest.raises(InputError, match=r"a.mp4: decoding stopped after .* of 18 frames"):
        Footage(probe(path)).check()
    assert Footage(probe(path), frames=3).check().edited == 3


def test_rates_that_are_slow_or_none(tmp_path: Path) -> None:
    info = probe(write_video(tmp_path / "a.mp4", colour_ramp(8, (16, 16)), fps=4))
    assert Footage(info, fps=0.0004).check().edited == 1
    for rate in (0, -1, 1e-9):
        with pytest.raises(InputError, match="frames per second, expected more than 0"):
            Footage(info, fps=rate)


def test_folders_of_mixed_sizes_are_found_before_the_work(tmp_path: Path) -> None:
    for number, size in enumerate([(8, 8), (8, 8), (9, 8)]):
        Image.new("RGB", size).save(tmp_path / f"{number}.png")
    with pytest.raises(InputError, match=r"2.png: 9 x 8 pixels, the first has 8 x 8"):
        probe(tmp_path)


def test_damage_beside_the_range_costs_no_edited_frame(tmp_path: Path) -> None:
    whole = coded(tmp_path / "a.mp4", range(18), container={"movflags": "faststart"}, g="6", bf="0")
    good = len(list(Footage(probe(whole)).pictures()))
    path = cut(whole, 0.8)
    footage, notes = Footage(probe(path), start=0.1, end=0.3), list[str]()
    assert footage.check().edited == 2
    written = list(footage.written(notes.append))
    assert sum(footage.edited(picture) for picture in written) == 2
    assert 3 <= len(written) < good
    assert "truncated or damaged" in notes[0]


@pytest.mark.parametrize("options", [EditOptions, GenerateOptions])
def test_more_frames_a_second_than_any_camera_takes_are_refused(
    options: type[EditOptions | GenerateOptions],
) -> None:
    assert options(fps=1000).fps == 1000
    with pytest.raises(InputError, match="fps is 1000000000.0, expected more than 0 and at most 1000"):
        options(fps=1e9)


def test_what_leaves_no_frame_is_told(tmp_path: Path) -> None:
    info = probe(write_video(tmp_path / "a.mp4", colour_ramp(8, (16, 16)), fps=8))
    with pytest.raises(InputError, match="among the first 4 of the video; check .* and --frames"):
        Footage(info, 4, start=0.5).check()
