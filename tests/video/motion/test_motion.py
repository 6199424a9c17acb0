"""Where content moves, and averages along it, on clips whose motion is known."""

import math

import numpy as np
import pytest
import torch

from frameweave.video.colours import Picture
from frameweave.video.motion.flows import flow_of
from frameweave.video.motion.motion import Motion, MotionMaker, motion_of
from frameweave.video.motion.providers import Field
from moving import panning


@pytest.mark.parametrize("name", ["dis", "farneback"])
def test_a_pan_is_followed(name: str) -> None:
    motion = motion_of(panning(5, 2), 2, provider=flow_of(name).provider)
    inner = (..., slice(8, -8), slice(8, -8))
    for at, offset in enumerate(motion.offsets):
        there = range(max(0, -offset), 5 - max(0, offset))
        flow = motion.flow[at, there][inner]
        assert (flow[:, 0] - 2 * offset).abs().mean() < 0.2
        assert flow[:, 1].abs().mean() < 0.2
        assert motion.weight[at, there][inner].mean() > 0.9


def test_no_frame_beyond_the_clip_and_across_a_cut_counts() -> None:
    cut = torch.cat([panning(3, 1), 1 - panning(3, 0).flip(2, 3)])
    motion = motion_of(cut, 1)
    before, after = motion.weight[0], motion.weight[1]
    assert not before[0].any()
    assert not after[-1].any()
    assert not after[2].any()
    assert not before[3].any()
    assert after[1].mean() > 0.5


def test_batches_change_nothing() -> None:
    clip = panning(7, 1)
    whole, maker = motion_of(clip, 2, size=(6, 8)), MotionMaker(2, (6, 8))
    for part in clip.split(3):
        maker.add(part)
    made = maker.made()
    assert torch.equal(made.flow, whole.flow)
    assert torch.equal(made.weight, whole.weight)


def test_at_a_smaller_size_flow_is_in_its_cells() -> None:
    motion = motion_of(panning(3, 4), 1, size=(6, 8))
    assert motion.flow.shape == (2, 3, 2, 6, 8)
    assert motion.flow[1, 0, 0, 1:-1, 1:-1].mean() == pytest.approx(4 / 8, abs=0.08)


def test_noise_of_a_still_clip_is_averaged() -> None:
    """Of variance v, over 2 k + 1 frames, v / (2 k + 1) is left."""
    motion = motion_of(panning(1, 0).expand(7, -1, -1, -1), 3)
    noise = torch.randn(7, 4, 48, 64, generator=torch.Generator().manual_seed(1))
    assert float(motion.averaged(noise)[3].var()) == pytest.approx(1 / 7, rel=0.05)
    assert float(motion.averaged(noise, radius=1)[3].var()) == pytest.approx(1 / 3, rel=0.05)


def test_averages_by_hand() -> None:
    """Two frames, the content one cell further right in the second, with weight 1/2."""
    flow = torch.zeros(2, 2, 2, 1, 3)
    flow[1, 0, 0], flow[0, 1, 0] = 1, -1
    weight = torch.full((2, 2, 1, 1, 3), 0.5)
    weight[0, 0] = weight[1, 1] = 0
    x = torch.tensor([[[[1.0, 2, 3]]], [[[10.0, 20, 30]]]])
    averaged = Motion((-1, 1), flow, weight).averaged(x)
    assert averaged[0, 0, 0].tolist() == pytest.approx([(1 + 10) / 1.5, (2 + 15) / 1.5, (3 + 15) / 1.5])
    assert averaged[1, 0, 0].tolist() == pytest.approx([(10 + 0.5) / 1.5, (20 + 0.5) / 1.5, (30 + 1) / 1.5])


def test_neighbours_count_as_far_as_they_lie_inside() -> None:
    """The second frame has a cell outside; content has gone one cell further there."""
    flow = torch.zeros(2, 2, 2, 1, 3)
    flow[1, 0, 0], flow[0, 1, 0] = 1, -1
    weight = torch.ones(2, 2, 1, 1, 3)
    weight[0, 0] = weight[1, 1] = 0
    x = torch.tensor([[[[1.0, 2, 3]]], [[[10.0, 0, 30]]]])
    inside = torch.tensor([[[[1.0, 1, 1]]], [[[1.0, 0, 1]]]])
    averaged = Motion((-1, 1), flow, weight).averaged(x, inside=inside)
    assert averaged[0, 0, 0].tolist() == pytest.approx([1, (2 + 30) / 2, (3 + 30) / 2])


def test_a_pan_within_a_still_region_keeps_its_edit() -> None:
    """An edit of 1 in a region that stands still, under content that moves one cell a frame."""
    flow = torch.zeros(2, 5, 2, 4, 8)
    flow[0, :, 0], flow[1, :, 0] = -1, 1
    weight = torch.ones(2, 5, 1, 4, 8)
    weight[0, 0] = weight[1, -1] = 0
    region = torch.zeros(1, 1, 4, 8)
    region[..., 2:6] = 1
    edit = region.repeat(5, 1, 1, 1)
    averaged = Motion((-1, 1), flow, weight).averaged(edit, inside=region)
    assert torch.equal(averaged * region, edit)


def test_one_frame_stays_as_it_is() -> None:
    x = torch.rand(1, 4, 6, 8)
    assert torch.equal(motion_of(panning(1, 0), 2, size=(6, 8)).averaged(x), x)


def test_no_neighbour_leaves_all_as_it_is() -> None:
    x = torch.rand(3, 4, 48, 64)
    assert torch.equal(motion_of(panning(3, 1), 1).averaged(x, radius=0), x)


def test_nearer_neighbours_of_a_motion_are_those_of_a_smaller_one() -> None:
    far, near = motion_of(panning(5, 1), 3), motion_of(panning(5, 1), 1)
    cut = far.within(1)
    assert cut.offsets == near.offsets
    assert torch.equal(cut.flow, near.flow)
    assert torch.equal(cut.weight, near.weight)
    assert far.within(3) is far


def test_without_flow_neighbours_count_at_the_same_place_as_far_as_colours_agree() -> None:
    grey = torch.full((2, 3, 4, 5), 0.4)
    grey[1, :, 2, 3] = 0.8
    motion = motion_of(grey, 1, provider=flow_of("none").provider)
    assert not motion.flow.any()
    expected = torch.ones(4, 5)
    expected[2, 3] = math.exp(-((204 / 255 - 102 / 255) ** 2) / (2 * 0.1**2))
    assert torch.allclose(motion.weight[1, 0, 0], expected)
    assert torch.allclose(motion.weight[0, 1, 0], expected)


@pytest.mark.parametrize("name", ["dis", "farneback", "none"])
@pytest.mark.parametrize(
    ("height", "width"),
    [(1, 1), (1, 2), (2, 1), (3, 5), (7, 300), (300, 7), (12, 64), (15, 200), (64, 12), (16, 16), (9, 12)],
)
def test_pictures_of_any_size(name: str, height: int, width: int) -> None:
    """OpenCV's DIS refuses some narrow pictures and crashes on others."""
    noisy = torch.rand(3, 3, height, width, generator=torch.Generator().manual_seed(2))
    motion = motion_of(noisy, 2, provider=flow_of(name).provider)
    assert motion.flow.shape == (4, 3, 2, height, width)
    averaged = motion.averaged(noisy)
    assert torch.isfinite(averaged).all()
    assert float(averaged.min()) >= 0 and float(averaged.max()) <= 1 + 1e-6


def test_a_black_frame_takes_nothing_from_its_neighbours_and_gives_them_nothing() -> None:
    clip = panning(3, 0).clamp(min=0.3)
    clip[1] = 0
    weight = motion_of(clip, 1).weight
    assert float(weight.max()) < 0.02


def test_black_frames_are_followed_to_one_another() -> None:
    weight = motion_of(torch.zeros(2, 3, 20, 20), 1).weight
    assert (weight[1, 0] == 1).all()


def test_a_picture_above_a_megapixel_is_followed_too() -> None:
    motion = motion_of(panning(2, 3, 1001, 1000), 1, size=(10, 10))
    assert (motion.flow[1, 0, 0, 1:-1, 1:-1] * 100 - 3).abs().mean() < 0.2


def test_unknown_flow_is_not_followed() -> None:
    def half(a: Picture, b: Picture) -> Field:
        field = np.zeros((*a.shape[:2], 2), np.float32)
        field[:, :8, 0] = np.nan
        return field

    motion = motion_of(torch.full((2, 3, 16, 16), 0.5), 1, provider=half)
    assert not motion.weight[1, 0, 0, :, :8].any()
    assert (motion.weight[1, 0, 0, :, 8:] == 1).all()
    assert not motion.flow.any()


def test_cells_have_the_mean_of_the_flow_that_is_known_in_them() -> None:
    def half(a: Picture, b: Picture) -> Field:
        field = np.zeros((*a.shape[:2], 2), np.float32)
        field[..., 0] = 4
        field[:, ::2] = np.nan
        return field

    motion = motion_of(torch.full((2, 3, 32, 32), 0.5), 1, size=(4, 4), provider=half)
    assert torch.allclose(motion.flow[1, 0, 0], torch.tensor(0.5))  # half a cell of 8 pixels


def test_a_single_frame_has_the_size_of_its_picture() -> None:
    assert motion_of(torch.rand(1, 3, 6, 9), 2).flow.shape == (4, 1, 2, 6, 9)
