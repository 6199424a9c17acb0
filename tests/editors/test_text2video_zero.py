"""Text2Video-Zero: the motion field, attention to the first frame, and text-only generation."""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from frameweave.editors._published.text2video_zero import PUBLISHED
from frameweave.editors.running import edit_clip, text_request
from frameweave.editors.text2video_zero import Text2VideoZero, shifted, source_cells
from frameweave.errors import InputError
from frameweave.models.loading.load import load
from frameweave.models.seam import Latents
from frameweave.models.stable_diffusion import StableDiffusion
from frameweave.video.clip import Clip
from golden_cases import Case, largest_step_error, relative, rng


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


def made(
    editor: Text2VideoZero, model: StableDiffusion, frames: int, size: tuple[int, int] = (32, 32)
) -> Latents:
    seeded = torch.Generator().manual_seed(4)
    return editor.generate(text_request(model, prompt="a red car", frames=frames, size=size, rng=seeded))


@pytest.mark.parametrize("frames", [1, 2, 5])
def test_text_alone(tiny: StableDiffusion, frames: int) -> None:
    clips = [made(Text2VideoZero(steps=20), tiny, frames, (32, 24)) for _ in range(2)]
    assert clips[0].shape == (frames, 4, 12, 16)
    assert torch.equal(*clips)
    assert torch.isfinite(clips[0]).all()


def test_text_alone_keeps_its_first_frame_whatever_follows(tiny_folder: Path) -> None:
    """In float64: the random model's latents grow, and with them what a batch's size rounds otherwise."""
    exact = load(str(tiny_folder), device="cpu", dtype="fp64")
    few, many = (made(Text2VideoZero(steps=20), exact, n) for n in (1, 4))
    assert relative(few, many[:1]) < 1e-9


def test_depth_is_needed_for_editing(tiny: StableDiffusion, clip: Clip) -> None:
    with pytest.raises(InputError, match="needs the clip's depth"):
        edit_clip(Text2VideoZero(), clip, "a red car", tiny, rng=torch.Generator())


def test_levels_that_fall_together_are_refused(tiny: StableDiffusion) -> None:
    with pytest.raises(InputError, match="no step lies between"):
        made(Text2VideoZero(steps=3), tiny, 2)
    for t0 in (0.9, 0.95):
        with pytest.raises(InputError, match=f"t0 is {t0} and t1 0.9, expected t0 below t1"):
            made(Text2VideoZero(steps=3, t0=t0, t1=0.9), tiny, 2)
    with pytest.raises(InputError, match="no step lies between"):
        made(Text2VideoZero(steps=1), tiny, 2)


def test_few_steps_leave_room_for_the_motion(tiny: StableDiffusion) -> None:
    """Of four timesteps the same one is nearest to t0 and to t1: the copies are made at the next one."""
    clip = made(Text2VideoZero(steps=4), tiny, 2)
    assert clip.shape == (2, 4, 16, 16)
    assert not torch.equal(clip[0], clip[1])
    assert made(Text2VideoZero(steps=1), tiny, 1).isfinite().all()


def test_as_published_a_chunk_has_room_for_another_frame() -> None:
    with pytest.raises(InputError, match="chunk is 1"):
        Text2VideoZero(steps=2, chunk=1, as_published=True)


def test_wrong_sizes_and_counts_are_refused(tiny: StableDiffusion) -> None:
    with pytest.raises(InputError, match="expected multiples of 2"):
        made(Text2VideoZero(), tiny, 2, (31, 32))
    with pytest.raises(InputError, match="0 frames"):
        made(Text2VideoZero(), tiny, 0)


def test_the_recorded_run_of_the_original(golden: StableDiffusion) -> None:
    """Two chunks of the original, each with its own first frame that is thrown away, are one run here."""
    case = Case.load("text2video_zero/case_a")
    settings = case.settings
    editor = Text2VideoZero(
        steps=settings["steps"],
        guidance=settings["guidance_scale"],
        motion=(settings["motion_field_strength_x"], settings["motion_field_strength_y"]),
        t0=settings["t0"] / 1000,
        t1=settings["t1"] / 1000,
        as_published=True,
    )
    chunks = [f"chunk{k}" for k in range(len(settings["chunks"]))]
    draws = {
        "initial_noise": case["chunk0.initial_noise"],
        "renoise_eps": torch.cat([case[f"{chunk}.renoise_eps"] for chunk in chunks]),
    }
    found = editor.generate(
        text_request(
            golden, prompt=settings["prompt_encoded"], frames=8, size=(64, 64), rng=rng(), draws=draws
        )
    )
    expected = torch.cat([case[f"{chunk}.final_latents_f64"][1:] for chunk in chunks])
    assert relative(found, expected) < 1e-5


def test_the_recorded_draws_come_from_the_recorded_seed(golden: StableDiffusion) -> None:
    case = Case.load("text2video_zero/case_a")
    generator = torch.Generator().manual_seed(case.settings["seed"])
    initial = golden.noise((1, 4, 8, 8), generator)
    assert torch.equal(initial, case["chunk0.initial_noise"])
    request = text_request(golden, prompt="x", frames=8, size=(64, 64), rng=generator)
    eps = PUBLISHED.noise(request, torch.zeros(8, 4, 8, 8), Text2VideoZero().chunk)
    recorded = torch.cat([case["chunk0.renoise_eps"], case["chunk1.renoise_eps"]])
    assert torch.equal(eps, recorded)


def test_the_steps_of_the_joint_pass(golden: StableDiffusion) -> None:
    """Each step of both chunks from the recorded latents before it."""
    case = Case.load("text2video_zero/case_a")
    editor = Text2VideoZero(steps=50, guidance=case.settings["guidance_scale"])
    levels = case["timesteps_joint"].tolist()
    prompt = case.settings["prompt_encoded"]
    request = text_request(golden, prompt=prompt, frames=5, size=(64, 64), rng=rng())
    with editor.denoiser(request, request.guides) as eps:
        for chunk in ("chunk0", "chunk1"):
            latents = case[f"{chunk}.latents"]
            assert largest_step_error(eps, latents, golden.schedule, levels, 50) < 2e-5
