"""Which frames become groups: spread, apart, the same for the same clip, and never across a cut."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from frameweave.data.grouping import candidates, fault, fitted, members, roughly
from frameweave.data.options import GroupSettings


@settings(deadline=None, max_examples=200, derandomize=True)
@given(
    count=st.integers(0, 200),
    frames=st.integers(1, 5),
    stride=st.integers(1, 4),
    per_clip=st.integers(1, 12),
    clip=st.text(max_size=20),
)
def test_groups_lie_in_the_clip_and_share_no_frame(
    count: int, frames: int, stride: int, per_clip: int, clip: str
) -> None:
    chosen = GroupSettings(frames=frames, stride=stride, per_clip=per_clip)
    found = candidates(clip, count, chosen)
    assert len(found) == min(per_clip, count // chosen.span)
    for tries in found:
        assert 1 <= len(tries) <= chosen.tries and len(set(tries)) == len(tries)
        assert all(first >= 0 and members(first, chosen)[-1] < count for first in tries)
    for a, b in pairwise(found):
        assert max(a) + chosen.span <= min(b)


def test_the_choice_is_a_function_of_seed_and_clip() -> None:
    chosen = GroupSettings()
    assert candidates("video1", 300, chosen) == candidates("video1", 300, chosen)
    others = [candidates("video2", 300, chosen), candidates("video1", 300, GroupSettings(seed=1))]
    assert candidates("video1", 300, chosen) not in others


def test_the_places_are_spread_evenly() -> None:
    """First frames over many clips are uniform within their part of the clip."""
    chosen = GroupSettings(per_clip=2, frames=2, tries=1)
    firsts = np.array([[t[0] for t in candidates(f"v{k}", 22, chosen)] for k in range(2000)])
    assert firsts[:, 0].min() == 0 and firsts[:, 0].max() == 9
    counts = np.bincount(firsts[:, 1] - 11, minlength=10)
    assert len(counts) == 10 and counts.min() > 140 and counts.max() < 260


def test_a_cut_and_a_frozen_picture_are_told() -> None:
    rng = np.random.default_rng(0)
    one = rng.integers(0, 255, (60, 80, 3), dtype=np.uint8)
    moved, other = np.roll(one, 1, axis=1), np.full_like(one, 250)
    seen = [roughly(one), roughly(moved), roughly(other)]
    assert fault(seen[:2], GroupSettings()) == ""
    assert fault(seen, GroupSettings()) == "cut"
    assert fault([seen[0]] * 3, GroupSettings()) == "still"
    assert fault([seen[0]], GroupSettings()) == ""


@pytest.mark.parametrize("size", [(320, 240), (240, 320), (64, 64), (31, 50)])
def test_pictures_are_the_centre_or_all(size: tuple[int, int]) -> None:
    """Against cropping first and scaling then, with Pillow directly."""
    width, height = size
    picture = np.random.default_rng(1).integers(0, 255, (height, width, 3), dtype=np.uint8)
    whole = fitted(picture, GroupSettings(size=20, resize="squash"))
    expected = Image.fromarray(picture).resize((20, 20), Image.Resampling.BICUBIC)
    assert np.abs(np.asarray(whole, int) - np.asarray(expected, int)).mean() < 3
    side, image = min(size), Image.fromarray(picture)
    left, top = (width - side) / 2, (height - side) / 2
    if left == int(left) and top == int(top):
        image = image.crop((int(left), int(top), int(left) + side, int(top) + side))
        cropped = fitted(picture, GroupSettings(size=side))
        assert np.array_equal(np.asarray(cropped), np.asarray(image))
