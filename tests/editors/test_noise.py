"""Runs of frames that fit the memory, prompts that are too long, depth that is missing; in every editor."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from frameweave.editors import registry
from frameweave.editors.running import edit_clip
from frameweave.errors import InputError, ModelFolderError, OutOfMemory
from frameweave.models.loading.load import load
from frameweave.models.stable_diffusion import StableDiffusion
from frameweave.progress import SILENT, Notes, Progress
from frameweave.video.clip import Clip

IN_CHUNKS = [name for name in registry.names() if "chunk_size" in registry.load(name).model_fields]
NEEDING_DEPTH: list[tuple[str, dict[str, Any]]] = [
    ("anchored", {"controlnet": True}),
    ("flatten", {"controlnet": True}),
    ("shuffled", {"controlnet": True}),
    ("text2video_zero", {}),
    ("tokenflow", {"controlnet": True}),
    ("vidtome", {"variant": "depth"}),
    ("delta", {"controlnet": True}),
]


def edited(
    name: str,
    model: StableDiffusion,
    *,
    prompt: str = "a red car",
    source_prompt: str = "a blue car",
    negative_prompt: str = "",
    depth: bool = True,
    progress: Progress = SILENT,
    **settings: Any,
) -> Tensor:
    rng = torch.Generator().manual_seed(3)
    clip = Clip.of(torch.rand(7, 3, 16, 24, generator=rng))
    maps = torch.rand(7, 1, 16, 24, generator=rng)
    editor = registry.make(name, {"steps": 2} | settings)
    return edit_clip(
        editor,
        clip,
        prompt,
        model,
        source_prompt=source_prompt,
        negative_prompt=negative_prompt,
        depth=maps if depth else None,
        rng=rng,
        progress=progress,
    ).frames


def test_which_editors_work_in_chunks() -> None:
    assert set(IN_CHUNKS) == {"anchored", "delta", "framewise", "text2video_zero", "tokenflow", "vidtome"}


@pytest.mark.parametrize("name", IN_CHUNKS)
@pytest.mark.parametrize("fit", [1, 2, 3])
def test_out_of_memory_halves_the_batch_says_so_and_goes_on(
    name: str, fit: int, tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the result of a run that is told the number of frames from the start, in float64."""
    exact = load(str(tiny_folder), device="cpu", dtype="fp64")
    settings = {"anchored": {"anchors": 0}, "vidtome": {"chunk": 1}}.get(name, {})
    original = StableDiffusion.predict
    at_once = 2 if fit == 3 else fit  # 7 frames are halved to 4, 2, 1
    expected = edited(name, exact, chunk_size=at_once, **settings)

    def failing(self: StableDiffusion, x: Tensor, *args: Any) -> Tensor:
        if x.shape[-4] > fit:
            raise torch.OutOfMemoryError
        return original(self, x, *args)

    monkeypatch.setattr(StableDiffusion, "predict", failing)
    notes = Notes()
    found = edited(name, exact, progress=notes, **settings)
    assert f"out of memory: going on with {at_once} frames at once" in notes.texts
    assert float((found - expected).abs().max()) < 2e-4


def test_frames_that_depend_on_one_another_are_not_parted(
    tiny: StableDiffusion, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Norms over all frames of fewer frames would be other norms."""
    original = StableDiffusion.predict

    def failing(self: StableDiffusion, x: Tensor, *args: Any) -> Tensor:
        if x.shape[-4] > 3:
            raise torch.OutOfMemoryError("for four frames")
        return original(self, x, *args)

    monkeypatch.setattr(StableDiffusion, "predict", failing)
    with pytest.raises(OutOfMemory, match="for four frames.*--set context_length=16"):
        edited("vid2vid_zero", tiny)
    assert torch.isfinite(edited("vid2vid_zero", tiny, context_length=3, context_overlap=1)).all()


@pytest.mark.parametrize("field", ["prompt", "negative_prompt", "source_prompt"])
def test_the_text_that_is_too_long_is_named_once(field: str, tiny: StableDiffusion) -> None:
    texts = {"prompt": "a red car", "negative_prompt": "night", "source_prompt": "a car"} | {field: LONG}
    notes = Notes()
    edited("framewise", tiny, **texts, progress=notes)
    told = [text for text in notes.texts if "too long" in text]
    assert len(told) == 1 and told[0].startswith(
        f"the {field.replace('_', ' ')} is too long for the text encoder"
    )


LONG = " ".join(["a red car in the snow"] * 8)


@pytest.mark.parametrize("name", registry.names())
def test_a_prompt_that_is_too_long_is_cut_and_the_rest_is_told(name: str, tiny: StableDiffusion) -> None:
    limit = tiny.tokenizer.model_max_length - 2
    words = tiny.tokenizer(LONG, add_special_tokens=False).input_ids
    assert len(words) > limit
    head, rest = (str(tiny.tokenizer.decode(part)).strip() for part in (words[:limit], words[limit:]))
    notes = Notes()
    found = edited(name, tiny, prompt=LONG, progress=notes)
    assert f"the prompt is too long for the text encoder; not seen by it: {rest!r}" in notes.texts
    if name != "vid2vid_zero":  # which counts the words of both prompts
        assert torch.equal(found, edited(name, tiny, prompt=head))


@pytest.mark.parametrize("name", registry.names())
def test_long_source_prompts_do_no_harm(name: str, tiny: StableDiffusion) -> None:
    for prompt in ("a red car", LONG, f"{LONG} at night"):
        assert torch.isfinite(edited(name, tiny, prompt=prompt, source_prompt=LONG)).all()


@pytest.mark.parametrize(("name", "settings"), NEEDING_DEPTH)
def test_missing_depth_is_said_before_the_network_runs(
    name: str, settings: dict[str, Any], tiny: StableDiffusion, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(self: StableDiffusion, *args: Any) -> Tensor:
        raise AssertionError("heavy work")

    monkeypatch.setattr(StableDiffusion, "predict", forbidden)
    with pytest.raises(InputError, match="needs the clip's depth, and none was given; give depth"):
        edited(name, tiny, depth=False, **settings)
    with pytest.raises(ModelFolderError, match="needs a depth ControlNet.*--controlnet"):
        edited(name, replace(tiny, controls=()), **settings)


@pytest.mark.parametrize(("name", "settings"), NEEDING_DEPTH)
def test_a_control_scale_of_zero_is_no_control(
    name: str, settings: dict[str, Any], tiny: StableDiffusion
) -> None:
    def drawn(scale: float, shift: float) -> Tensor:
        editor = registry.make(name, {"steps": 2, "controlnet_scale": scale} | settings)
        depth = (torch.rand(3, 1, 16, 24, generator=torch.Generator().manual_seed(1)) + shift).clamp(0, 1)
        clip = Clip.of(torch.rand(3, 3, 16, 24, generator=torch.Generator().manual_seed(2)))
        return edit_clip(
            editor, clip, "a red car", tiny, source_prompt="a car", depth=depth, rng=torch.Generator()
        ).frames

    torch.testing.assert_close(drawn(0.0, 0.0), drawn(0.0, 0.5))
    assert not torch.allclose(drawn(0.5, 0.0), drawn(0.5, 0.5), atol=1e-4)
