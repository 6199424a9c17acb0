"""Text2Video-Zero: the motion field, attention to the first frame, and text-only generation."""

import pytest
import torch
import torch.nn.functional as F

from frameweave.clip import Clip
from frameweave.editors.base import edit_clip
from frameweave.editors.text2video_zero import Text2VideoZero, shifted, source_cells
from frameweave.errors import InputError
from frameweave.model.backbone import StableDiffusion


def published_warp(x: torch.Tensor, shift: tuple[float, float]) -> torch.Tensor:
    """The definition: a grid of 512 x 512, scaled down bilinearly, sampled at the nearest cell."""
    along = torch.arange(512, dtype=torch.float32)
    y, x_at = torch.meshgrid(along, along, indexing="ij")
    grid = torch.stack([x_at + shift[0], y + shift[1]])[None] / 512 * 2 - 1
    grid = F.interpolate(grid, x.shape[2:], mode="bilinear", align_corners=False)
    grid = grid.permute(0, 2, 3, 1)
    return F.grid_sample(x, grid, mode="nearest", padding_mode="reflection", align_corners=False)


@pytest.mark.parametrize("n", [8, 16, 64])
@pytest.mark.parametrize("frame", [0, 1, 3, 7])
@pytest.mark.parametrize("motion", [(12.0, 12.0), (-9.0, 20.0), (0.0, 5.0)])
def test_the_shift_is_the_published_warp(n: int, frame: int, motion: tuple[float, float]) -> None:
    x = torch.randn(1, 4, n, n)
    expected = published_warp(x, (motion[0] * frame, motion[1] * frame))
    assert torch.equal(shifted(x, motion, frame), expected)


def test_no_shift_is_the_identity_and_far_shifts_stay_inside() -> None:
    assert source_cells(16, 0.0).tolist() == list(range(16))
    for shift in (-5000.0, 5000.0, 511.0):
        cells = source_cells(16, shift)
        assert int(cells.min()) >= 0 and int(cells.max()) < 16


def test_the_first_frame_is_a_plain_depth_guided_picture(tiny: StableDiffusion, clip: Clip) -> None:
    """It attends to itself only, so it does not depend on the other frames."""
    depth = torch.rand(5, 1, 32, 32)
    editor = Text2VideoZero(steps=3)
    together = edit_clip(editor, clip, "a red car", tiny, depth=depth, rng=torch.Generator().manual_seed(2))
    alone = edit_clip(
        editor,
        Clip.of(clip.frames[:1]),
        "a red car",
        tiny,
        depth=depth[:1],
        rng=torch.Generator().manual_seed(2),
    )
    assert torch.allclose(together.frames[:1], alone.frames, atol=1e-4)


def test_equal_depth_gives_equal_frames(tiny: StableDiffusion, clip: Clip) -> None:
    """All frames share noise, and keys and values: nothing but depth can tell them apart."""
    depth = torch.rand(1, 1, 32, 32).expand(5, -1, -1, -1)
    result = edit_clip(Text2VideoZero(steps=3), clip, "a red car", tiny, depth=depth, rng=torch.Generator())
    assert torch.allclose(result.frames, result.frames[:1].expand_as(result.frames), atol=1e-4)


@pytest.mark.parametrize("frames", [1, 2, 5])
def test_text_alone(tiny: StableDiffusion, frames: int) -> None:
    make = Text2VideoZero(steps=20).generate
    clips = [
        make("a red car", tiny, frames=frames, size=(32, 24), rng=torch.Generator().manual_seed(4))
        for _ in range(2)
    ]
    assert clips[0].shape == (frames, 3, 24, 32)
    assert torch.equal(*clips)
    assert torch.isfinite(clips[0]).all()


def test_text_alone_keeps_its_first_frame_whatever_follows(tiny: StableDiffusion) -> None:
    make = Text2VideoZero(steps=20).generate
    few, many = (
        make("a red car", tiny, frames=n, size=(32, 32), rng=torch.Generator().manual_seed(4)) for n in (1, 4)
    )
    assert torch.allclose(few, many[:1], atol=1e-4)


def test_depth_is_needed_for_editing(tiny: StableDiffusion, clip: Clip) -> None:
    with pytest.raises(InputError, match="no depth was given"):
        edit_clip(Text2VideoZero(), clip, "a red car", tiny, rng=torch.Generator())


def test_levels_that_fall_together_are_refused(tiny: StableDiffusion) -> None:
    with pytest.raises(InputError, match="is no noisier than"):
        Text2VideoZero(steps=3).generate("x", tiny, frames=2, size=(32, 32), rng=torch.Generator())


def test_wrong_sizes_and_counts_are_refused(tiny: StableDiffusion) -> None:
    with pytest.raises(InputError, match="expected multiples of 4"):
        Text2VideoZero().generate("x", tiny, frames=2, size=(30, 32), rng=torch.Generator())
    with pytest.raises(InputError, match="0 frames"):
        Text2VideoZero().generate("x", tiny, frames=0, size=(32, 32), rng=torch.Generator())
