"""Warp error of clips whose motion is known."""

import math

import pytest
import torch

from frameweave.measuring.metrics.base import Case, Looked
from frameweave.measuring.metrics.flow import (
    estimated_flow,
    flow_share_metric,
    warp_error,
    warp_error_metric,
)
from frameweave.video.motion.warp import moved_back


def moving(frames: int, step: int) -> torch.Tensor:
    """A smooth random texture that moves to the right."""
    rng = torch.Generator().manual_seed(0)
    wide = torch.rand(1, 3, 64, 64 + step * frames, generator=rng)
    smooth = torch.nn.functional.avg_pool2d(wide, 5, stride=1, padding=2)[0]
    return torch.stack([smooth[:, :, step * (frames - f) : 64 + step * (frames - f)] for f in range(frames)])


def known(frames: int, step: int) -> tuple[torch.Tensor, torch.Tensor]:
    flow = torch.zeros(frames - 1, 2, 64, 64)
    flow[:, 0] = step
    return flow, torch.ones(frames - 1, 1, 64, 64, dtype=torch.bool)


def test_whole_pixels_move_back_exactly() -> None:
    frames = moving(3, 2)
    flow, visible = known(3, 2)
    assert warp_error(frames, flow, visible) == pytest.approx(0, abs=1e-6)
    back, inside = moved_back(frames[1:], flow)
    assert torch.allclose(back[..., :60], frames[:-1, ..., :60], atol=1e-6)
    assert inside[..., :62].all() and not inside[..., 62:].any()


def test_flicker_is_its_height() -> None:
    frames = moving(4, 2) * 0.5
    flow, visible = known(4, 2)
    frames[1::2] += 0.1
    assert warp_error(frames, flow, visible) == pytest.approx(0.1, abs=1e-6)


def test_where_nothing_is_visible_there_is_no_number() -> None:
    frames = moving(2, 2)
    flow, visible = known(2, 2)
    assert math.isnan(warp_error(frames, flow, ~visible))


def test_the_estimated_flow_finds_the_motion() -> None:
    frames = moving(3, 2)
    flow, visible = estimated_flow(frames)
    inner = flow[..., 16:48, 16:48]
    assert inner[:, 0].mean() == pytest.approx(2, abs=0.1)
    assert inner[:, 1].mean() == pytest.approx(0, abs=0.1)
    assert visible[..., 16:48, 16:48].float().mean() > 0.95


def test_true_flow_comes_before_the_estimated_one() -> None:
    frames = moving(3, 2)
    wrong = torch.zeros(2, 2, 64, 64)
    case = Case(
        edited=Looked(frames),
        source=Looked(frames),
        flow=wrong,
        visible=torch.ones(2, 1, 64, 64, dtype=torch.bool),
    )
    estimated, true = (warp_error_metric(true_flow=true).measure(case) for true in (False, True))
    assert estimated < 0.01 < true


def test_the_share_of_pixels_behind_the_warp_error() -> None:
    frames = moving(3, 2)
    flow, visible = known(3, 2)
    visible[:, :, :32] = False
    case = Case(edited=Looked(frames), source=Looked(frames), flow=flow, visible=visible)
    share = flow_share_metric(true_flow=True).measure(case)
    assert share == pytest.approx(32 * 62 / 64**2)  # two columns leave the picture


def test_a_frozen_clip_pays_for_the_motion_that_it_lacks() -> None:
    frames = moving(3, 4)
    frozen = frames[:1].expand_as(frames)
    flow, visible = known(3, 4)
    assert warp_error(frozen, flow, visible) > 0.02
