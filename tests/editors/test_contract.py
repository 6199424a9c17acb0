"""What every editor promises, run over all of them on a tiny random model."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from frameweave.diffusion.scheduler_config import Spacing
from frameweave.editors import registry
from frameweave.editors.running import edit_clip
from frameweave.errors import InputError
from frameweave.models.loading.load import load
from frameweave.models.stable_diffusion import StableDiffusion
from frameweave.video.clip import Clip
from networks import assert_same, networks

EDITORS = registry.names()


@pytest.fixture(scope="module", params=["tiny", "tiny_xl"], ids=["sd", "sdxl"])
def folder(request: pytest.FixtureRequest) -> Path:
    """A model of every kind, as a folder."""
    return request.getfixturevalue(f"{request.param}_folder")


@pytest.fixture(scope="module")
def model(folder: Path, request: pytest.FixtureRequest) -> StableDiffusion:
    return request.getfixturevalue(folder.name)


@pytest.fixture(scope="module")
def exact(folder: Path) -> StableDiffusion:
    """The same in float64."""
    return load(str(folder), device="cpu", dtype="fp64")


@pytest.fixture
def clip() -> Clip:
    """Five noisy frames, small: there are many editors, models and promises."""
    return Clip.of(torch.rand(5, 3, 24, 16, generator=torch.Generator().manual_seed(1)), fps=8)


def edited(name: str, clip: Clip, model: StableDiffusion, *, seed: int = 0, **settings: Any) -> Clip:
    editor = registry.make(name, {"steps": 4, "guidance": 3.0} | settings)
    depth = torch.rand(len(clip), 1, *clip.frames.shape[2:], generator=torch.Generator().manual_seed(9))
    rng = torch.Generator().manual_seed(seed)
    return edit_clip(
        editor,
        clip,
        "a red car",
        model,
        source_prompt="a blue car",
        depth=depth,
        rng=rng,
    )


def test_there_are_editors() -> None:
    assert {"framewise", "text2video_zero"} <= set(EDITORS)


@pytest.mark.parametrize("name", EDITORS)
@pytest.mark.parametrize("frames", [1, 2, 5])
def test_count_size_and_times_are_kept(name: str, frames: int, model: StableDiffusion) -> None:
    clip = Clip.of(torch.rand(frames, 3, 24, 16), fps=12)
    result = edited(name, clip, model)
    assert result.frames.shape == clip.frames.shape
    assert result.times == clip.times
    assert 0 <= float(result.frames.min()) <= float(result.frames.max()) <= 1
    assert torch.isfinite(result.frames).all()


@pytest.mark.parametrize("name", EDITORS)
def test_sides_that_the_unet_does_not_halve_evenly(name: str, model: StableDiffusion) -> None:
    factor = model.vae_factor
    clip = Clip.of(torch.rand(3, 3, 11 * factor, 9 * factor))  # 11 x 9 latents, 6 x 5 one level down
    assert model.multiple == 2 * factor
    assert edited(name, clip, model).frames.shape == clip.frames.shape


@pytest.mark.parametrize("name", EDITORS)
def test_same_seed_same_bytes(name: str, clip: Clip, model: StableDiffusion) -> None:
    assert torch.equal(edited(name, clip, model).frames, edited(name, clip, model).frames)


@pytest.mark.parametrize("name", EDITORS)
def test_the_network_is_left_as_it_was(name: str, clip: Clip, model: StableDiffusion) -> None:
    before = networks(model)
    edited(name, clip, model)
    assert_same(before, networks(model))


@pytest.mark.parametrize("name", EDITORS)
def test_also_after_an_exception(
    name: str, clip: Clip, model: StableDiffusion, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = networks(model)
    calls = 0
    original = StableDiffusion.predict

    def failing(self: StableDiffusion, *args: Any) -> torch.Tensor:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise RuntimeError("out of memory")
        return original(self, *args)

    monkeypatch.setattr(StableDiffusion, "predict", failing)
    with pytest.raises(RuntimeError, match="out of memory"):
        edited(name, clip, model)
    assert_same(before, networks(model))


@pytest.mark.parametrize(
    "name", [name for name in EDITORS if "chunk_size" in registry.load(name).model_fields]
)
@pytest.mark.parametrize("chunk_size", [1, 2, 3])
def test_chunks_change_nothing(name: str, chunk_size: int, clip: Clip, exact: StableDiffusion) -> None:
    """In float64: in float32 a near-tie of two matches may fall the other way."""
    whole = edited(name, clip, exact)
    parts = edited(name, clip, exact, chunk_size=chunk_size)
    assert float((whole.frames - parts.frames).abs().max()) < 2e-4


@pytest.mark.parametrize("name", EDITORS)
def test_an_empty_prompt_is_refused(name: str, clip: Clip, model: StableDiffusion) -> None:
    with pytest.raises(InputError, match="the prompt is empty"):
        edit_clip(registry.make(name, {}), clip, "  ", model, rng=torch.Generator())


@pytest.mark.parametrize("name", EDITORS)
@pytest.mark.parametrize(
    ("setting", "value", "expected"),
    [("steps", 0, "at least 1"), ("steps", -5, "at least 1"), ("guidance", math.nan, "a finite number")],
)
def test_settings_out_of_range_make_no_editor(name: str, setting: str, value: float, expected: str) -> None:
    with pytest.raises(InputError, match=f"{setting} is {value}, expected {expected}"):
        registry.make(name, {setting: value})


@pytest.mark.parametrize(
    ("name", "setting"),
    [
        ("framewise", {"strength": 5.0}),
        ("framewise", {"strength": -1.0}),
        ("framewise", {"chunk_size": 0}),
        ("tokenflow", {"attention_share": 7.0}),
        ("tokenflow", {"keyframe_interval": -3}),
        ("tokenflow", {"controlnet_scale": math.inf}),
        ("text2video_zero", {"t0": 1.2}),
        ("text2video_zero", {"motion": (0.0, math.nan)}),
        ("flatten", {"visibility": 1.5}),
        ("flatten", {"context_length": 0}),
        ("vidtome", {"feature_share": -0.1}),
        ("vidtome", {"local_ratio": 1.5}),
        ("anchored", {"anchors": -1}),
        ("anchored", {"pull": 1.5}),
        ("shuffled", {"group": 1}),
        ("shuffled", {"anchor_frame": -2}),
        ("vid2vid_zero", {"null_until": 1.5}),
        ("vid2vid_zero", {"rate": 0.0}),
    ],
)
def test_own_settings_out_of_range_make_no_editor(name: str, setting: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=f"{next(iter(setting))} is .*, expected"):
        registry.make(name, setting)


@pytest.mark.parametrize("name", EDITORS)
def test_the_prompt_matters(name: str, clip: Clip, model: StableDiffusion) -> None:
    editor = registry.make(name, {"steps": 4, "guidance": 7.0})
    depth = torch.rand(len(clip), 1, *clip.frames.shape[2:]) if editor.needs_depth else None
    results = [
        edit_clip(editor, clip, prompt, model, depth=depth, rng=torch.Generator().manual_seed(0)).frames
        for prompt in ("a red car", "a yellow duck in the snow")
    ]
    assert not torch.equal(*results)


@pytest.mark.parametrize("name", EDITORS)
def test_an_unknown_setting_is_refused_with_the_nearest(name: str) -> None:
    with pytest.raises(InputError, match=f"unknown setting of {name} 'stepz'.*did you mean steps"):
        registry.make(name, {"stepz": 3})


def test_settings_are_read_from_text() -> None:
    editor = registry.make("text2video_zero", {"motion": "12,0", "as_published": "true", "steps": "7"})
    assert editor.model_dump(include={"motion", "as_published", "steps"}) == {
        "steps": 7,
        "motion": (12.0, 0.0),
        "as_published": True,
    }


def test_an_unknown_editor_names_the_nearest() -> None:
    with pytest.raises(InputError, match="did you mean framewise"):
        registry.load("framewize")


@pytest.mark.parametrize("name", ["text2video_zero", "vid2vid_zero"])
def test_programs_of_2023_space_their_timesteps_alike_whatever_the_model_says(
    name: str, clip: Clip, model: StableDiffusion
) -> None:
    other = replace(model, schedule=replace(model.schedule, spacing="trailing", offset=0))
    published = {"steps": 3, "as_published": True, "guidance": 3.0}
    assert torch.equal(
        edited(name, clip, model, **published).frames, edited(name, clip, other, **published).frames
    )
    ours = {"steps": 3, "guidance": 3.0}
    assert not torch.equal(edited(name, clip, model, **ours).frames, edited(name, clip, other, **ours).frames)


@pytest.mark.parametrize("spacing", ["trailing", "linspace"])
@pytest.mark.parametrize("name", EDITORS)
def test_other_spacings_of_a_model_are_followed(
    name: str, spacing: Spacing, clip: Clip, model: StableDiffusion
) -> None:
    """At 3 steps, whose gaps are uneven."""
    other = replace(model, schedule=replace(model.schedule, spacing=spacing))
    found = edited(name, clip, other, steps=3)
    assert len(found.frames) == len(clip.frames)
    assert not torch.equal(found.frames, edited(name, clip, model, steps=3).frames)
