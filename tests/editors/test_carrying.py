"""What anchors have is found again where the motion has brought it, and only there."""

import pytest
import torch
from torch import Tensor

from frameweave.editors._parts import carrying
from frameweave.editors._parts.carrying import Carrying
from frameweave.video.motion.motion import Motion

FRAMES, SIZE = 7, 12


def panning(weight: float = 1.0) -> Motion:
    """Content goes one cell to the right from frame to frame."""
    flow = torch.zeros(2, FRAMES, 2, SIZE, SIZE)
    flow[0, :, 0], flow[1, :, 0] = -1, 1
    sure = torch.full((2, FRAMES, 1, SIZE, SIZE), weight)
    sure[0, 0], sure[1, -1] = 0, 0
    return Motion((-1, 1), flow, sure)


def moved(picture: Tensor, cells: int) -> Tensor:
    return torch.roll(picture, cells, -1)


@pytest.mark.parametrize("anchor", [0, 3, 6])
def test_one_anchor_is_carried_to_all(anchor: int) -> None:
    x = torch.randn(FRAMES, 4, SIZE, SIZE)
    drawn = Carrying.over(panning(), [anchor]).drawn(x, 1.0)
    for frame in range(FRAMES):
        far = frame - anchor
        seen = slice(max(0, far), SIZE + min(0, far))
        assert torch.allclose(drawn[frame, :, :, seen], moved(x[anchor], far)[:, :, seen], atol=1e-4)
        fresh = slice(0, max(0, far - 1)) if far > 0 else slice(SIZE + min(0, far + 1), SIZE)
        assert torch.equal(drawn[frame, :, :, fresh], x[frame, :, :, fresh])  # no anchor shows it


def test_between_two_anchors_the_nearer_counts_more() -> None:
    x = torch.zeros(FRAMES, 1, SIZE, SIZE)
    x[6] = 6
    drawn = Carrying.over(panning(), [0, 6]).drawn(x, 1.0)
    for frame in range(FRAMES):
        assert torch.allclose(drawn[frame, :, :, 6], torch.tensor(float(frame)), atol=1e-4)


def test_what_one_anchor_alone_shows_is_drawn_to_it_wholly() -> None:
    """Also in frames of which the other anchor shows the rest."""
    x = torch.zeros(FRAMES, 1, SIZE, SIZE)
    x[6] = 6
    drawn = Carrying.over(panning(), [0, 6]).drawn(x, 1.0)
    assert torch.allclose(drawn[3, :, :, :2], torch.tensor(6.0))  # it came in after frame 0
    assert torch.allclose(drawn[3, :, :, -2:], torch.tensor(0.0))  # it is gone before frame 6


def test_the_share_and_the_weight_say_how_far_it_is_drawn() -> None:
    x = torch.zeros(FRAMES, 1, SIZE, SIZE)
    x[0] = 1
    drawn = Carrying.over(panning(0.5), [0]).drawn(x, 0.5)
    for frame in range(1, FRAMES):
        assert torch.allclose(drawn[frame, :, :, -1], torch.tensor(0.5 * 0.5**frame), atol=1e-5)


def test_what_lies_outside_at_the_anchor_draws_nothing() -> None:
    """The region stands still, and content goes through it: what comes in later was outside at the anchor."""
    region = torch.zeros(1, 1, SIZE, SIZE)
    region[..., 6:] = 1
    x = region.repeat(FRAMES, 1, 1, 1)
    drawn = Carrying.over(panning(), [0]).drawn(x, 1.0, region)
    assert torch.allclose(drawn * region, x, atol=1e-4)
    assert not torch.allclose(Carrying.over(panning(), [0]).drawn(x, 1.0) * region, x, atol=0.1)


def test_nothing_goes_across_a_cut() -> None:
    motion = panning()
    motion.weight[0, 4], motion.weight[1, 3] = 0, 0
    x = torch.randn(FRAMES, 1, SIZE, SIZE)
    drawn = Carrying.over(motion, [1]).drawn(x, 1.0)
    assert torch.equal(drawn[4:], x[4:])
    assert not torch.equal(drawn[3], x[3])


def test_how_many_frames_are_drawn_at_once_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.randn(FRAMES, 4, SIZE, SIZE)
    whole = Carrying.over(panning(), [0, 5]).drawn(x, 0.7)
    monkeypatch.setattr(carrying, "_AT_ONCE", 3)
    assert torch.equal(Carrying.over(panning(), [0, 5]).drawn(x, 0.7), whole)
