"""The measures of an adaptor's effect against closed forms, and one short run."""

import pytest
import torch

from frameweave.experiments.adaptor_effect import Variant, effect, warp_error
from frameweave.miniature.scene import sample_scenes
from frameweave.miniature.world import Rendered, render_clip
from frameweave.model.adaptor import load_adaptor


def drawn() -> Rendered:
    return render_clip(sample_scenes(1, seed=3), 4)


def test_still_colour_has_no_warp_error_and_flicker_has_its_height() -> None:
    flat = torch.full((4, 3, 64, 64), 0.5)
    assert warp_error(flat, drawn()) == pytest.approx(0, abs=1e-6)
    flat[1::2] += 0.2
    assert warp_error(flat, drawn()) == pytest.approx(0.2, abs=1e-5)


def test_true_motion_has_less_warp_error_than_a_frozen_frame_has() -> None:
    scenes = sample_scenes(32, seed=5)
    moving = int((scenes.velocity.abs().sum(1) > 1).nonzero()[0])
    clip = render_clip(scenes[moving], 4)
    frozen = clip.frames[:1].expand(4, -1, -1, -1)
    assert warp_error(clip.frames, clip) < warp_error(frozen, clip)


def test_no_strength_changes_nothing() -> None:
    variant = Variant("packaged", load_adaptor("miniature"), strength=0.0)
    rows = list(effect([variant], clips=2, editors=("framewise",)))
    assert {row["measure"] for row in rows} >= {
        "warp error",
        "PSNR to the true edit",
        "similarity, own noise",
    }
    for row in rows:
        assert row["without"] == row["with"]
        assert row["difference"].startswith(("+0.00000", "-0.00000"))
