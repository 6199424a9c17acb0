"""TokenFlow against recorded runs of the original, its parts against hand computation."""

from typing import Any

import pytest
import torch

from frameweave.diffusion.inversion import Trajectory
from frameweave.editors._published.tokenflow import both_neighbours, published_neighbours
from frameweave.editors.request import EditRequest
from frameweave.editors.running import edit_clip, request_of
from frameweave.editors.tokenflow import TokenFlow
from frameweave.errors import InputError
from frameweave.models.stable_diffusion import StableDiffusion
from frameweave.video.clip import Clip
from golden_cases import Case, largest_step_error, relative, rng


def recorded(name: str) -> tuple[Case, TokenFlow]:
    case = Case.load(f"tokenflow/{name}")
    settings = case.settings
    return case, TokenFlow(
        steps=settings["edit_steps"],
        inversion_steps=settings["inversion_steps"],
        guidance=settings["guidance_scale"],
        keyframe_interval=settings["batch_size"],
        variant="sdedit" if name == "case_a_sdedit" else "pnp",
        as_published=True,
    )


def asked(case: Case, model: StableDiffusion) -> dict[str, Any]:
    """What the recorded run was asked for, besides its latents."""
    return {
        "model": model,
        "prompt": case.settings["prompt"],
        "negative_prompt": case.settings["negative_prompt"],
        "source_prompt": case.settings["inversion_prompt"],
        "draws": case.tensors,
        "rng": rng(),
    }


@pytest.mark.parametrize("name", ["case_a", "case_a_sdedit"])
def test_every_step_is_the_recorded_one(name: str, golden: StableDiffusion) -> None:
    case, editor = recorded(name)
    trajectory = Trajectory(
        case["inversion_timesteps"].tolist(),
        torch.cat([case["source_latents"][None], case["inversion_latents"]]),
    )
    request = EditRequest(x_0=case["source_latents"], **asked(case, golden))
    start = editor.started(request, trajectory)
    assert relative(start, case["latents"][0]) < 1e-5
    with editor.denoiser(request, trajectory) as eps:
        levels = editor.timesteps(request)
        assert levels == case["timesteps"].tolist()
        error = largest_step_error(eps, case["latents"], golden.schedule, levels, editor.steps)
    assert error < 2e-5  # the recording is float32


@pytest.mark.parametrize("name", ["case_a", "case_a_sdedit"])
def test_end_to_end_in_float64(name: str, golden: StableDiffusion) -> None:
    case, editor = recorded(name)
    request = request_of(editor, case["frames"], **asked(case, golden))
    assert relative(request.x_0, case["source_latents"]) < 1e-5
    found = editor.edit(request)
    assert relative(found, case["final_latents_f64"]) < 1e-5


def test_the_drawn_key_frames_are_those_of_the_same_seed(golden: StableDiffusion) -> None:
    """The original draws from the global generator; the same seed gives the same numbers here."""
    case, editor = recorded("case_a")
    generator = torch.Generator().manual_seed(case.settings["seed"])
    request = EditRequest(x_0=case["source_latents"], model=golden, prompt="x", rng=generator)
    drawn = [editor._keys(request, 8, step) for step in range(10)]
    assert drawn == case["key_frames"].tolist()


def test_published_weights_by_hand() -> None:
    """Runs of 8, j = 0 .. 7: sigmoid((j + 4) / (|j - 4| + j + 4)); one key frame alone in the first run."""
    found = published_neighbours(16, 8)
    assert all((n.near, n.far) == (0, None) for n in found[:8])
    weights = [round(float(torch.tensor(n.ratio).sigmoid()), 3) for n in found[8:]]
    assert weights == [0.622, 0.651, 0.679, 0.706, 0.731, 0.711, 0.697, 0.687]


def test_the_default_looks_both_ways() -> None:
    found = both_neighbours(9, [0, 6, 8])
    assert [(n.near, n.far) for n in found[:4]] == [(0, None), (0, 1), (0, 1), (0, 1)]
    assert found[4].near == 1 and found[4].far == 0
    assert found[5].ratio == pytest.approx(5 / 6)
    assert found[8].far is None


@pytest.mark.parametrize("frames", [1, 2, 7, 11])
@pytest.mark.parametrize("variant", ["pnp", "sdedit"])
def test_any_number_of_frames(frames: int, variant: str, tiny: StableDiffusion) -> None:
    clip = Clip.of(torch.rand(frames, 3, 32, 32, generator=rng()))
    editor = TokenFlow(steps=4, keyframe_interval=3, variant=variant)  # pyright: ignore[reportArgumentType]
    result = edit_clip(editor, clip, "a red car", tiny, source_prompt="a car", rng=rng())
    assert len(result) == frames
    assert torch.isfinite(result.frames).all()


def test_windows_of_a_long_clip(tiny: StableDiffusion) -> None:
    clip = Clip.of(torch.rand(11, 3, 32, 32, generator=rng()))
    editor = TokenFlow(steps=3, keyframe_interval=2, context_length=6, context_overlap=2)
    result = edit_clip(editor, clip, "a red car", tiny, rng=rng())
    assert len(result) == 11
    assert torch.isfinite(result.frames).all()


def test_a_still_clip_stays_still(tiny: StableDiffusion) -> None:
    """Equal frames have equal latents and features: whatever the key frames, they stay equal."""
    still = Clip.of(torch.rand(1, 3, 32, 32, generator=rng()).expand(5, -1, -1, -1).contiguous())
    result = edit_clip(TokenFlow(steps=4, keyframe_interval=2), still, "a red car", tiny, rng=rng())
    torch.testing.assert_close(result.frames, result.frames[:1].expand_as(result.frames), atol=1e-3, rtol=0)


def test_as_published_cuts_to_whole_runs(tiny: StableDiffusion) -> None:
    clip = Clip.of(torch.rand(5, 3, 32, 32, generator=rng()))
    editor = TokenFlow(steps=2, keyframe_interval=2, as_published=True)
    assert len(edit_clip(editor, clip, "a red car", tiny, rng=rng())) == 4
    with pytest.raises(InputError, match="at least 8 are needed"):
        edit_clip(TokenFlow(steps=2, as_published=True), clip, "a red car", tiny, rng=rng())


def test_inversion_steps_must_pass_the_edits_steps(tiny: StableDiffusion, clip: Clip) -> None:
    with pytest.raises(InputError, match=r"does not pass the edit's timestep \d+; give inversion_steps=39"):
        edit_clip(TokenFlow(steps=20, inversion_steps=30), clip, "a red car", tiny, rng=rng())
    with pytest.raises(InputError, match="give inversion_steps=88"):  # 60 is a multiple and does not do
        edit_clip(TokenFlow(steps=30, inversion_steps=60), clip, "a red car", tiny, rng=rng())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"variant": "sdedit", "start": 1.1}, "start is 1.1"),
        ({"start": 0.0}, "start is 0.0"),
        ({"keyframe_interval": 0}, "keyframe_interval is 0"),
        ({"context_length": 0}, "context_length is 0"),
        ({"chunk_size": -1}, "chunk_size is -1"),
    ],
)
def test_settings_out_of_range_are_refused(
    tiny: StableDiffusion, clip: Clip, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        edit_clip(TokenFlow(steps=3, **settings), clip, "a red car", tiny, rng=rng())


def test_random_noise_and_depth(tiny: StableDiffusion, clip: Clip) -> None:
    editor = TokenFlow(steps=3, variant="sdedit", noise="random", controlnet=True)
    depth = torch.rand(5, 1, 32, 32, generator=rng())
    results = [edit_clip(editor, clip, "a red car", tiny, depth=d, rng=rng()) for d in (depth, 1 - depth)]
    assert not torch.equal(results[0].frames, results[1].frames)
    with pytest.raises(InputError, match="needs the clip's depth"):
        edit_clip(editor, clip, "a red car", tiny, rng=rng())
