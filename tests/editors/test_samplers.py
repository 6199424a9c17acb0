"""Which samplers each editor takes, and that it runs with them; few steps against diffusers' pipelines."""

from itertools import product
from typing import Any

import pytest
import torch
from torch import Tensor

from frameweave.diffusion.samplers.names import AFTER_INVERSION, SAMPLERS, SamplerName
from frameweave.diffusion.samplers.sampler import Sampler
from frameweave.editors import registry
from frameweave.editors.base import Editor
from frameweave.editors.framewise import Framewise
from frameweave.editors.running import edit_clip, request_of
from frameweave.errors import InputError
from frameweave.models.stable_diffusion import StableDiffusion
from frameweave.video.clip import Clip
from stopping import Stopping

TABLE: dict[str, tuple[dict[str, Any], tuple[SamplerName, ...]]] = {
    "anchored": ({}, ("ddim", "lcm")),
    "delta": ({}, ("ddim", "lcm")),
    "flatten": ({}, AFTER_INVERSION),
    "framewise": ({}, AFTER_INVERSION),
    "framewise, random": ({"noise": "random", "strength": 0.7}, SAMPLERS),
    "text2video_zero": ({}, SAMPLERS),
    "text2video_zero, instruct": ({"variant": "instruct"}, ("euler_a",)),
    "tokenflow": ({}, AFTER_INVERSION),
    "shuffled": ({}, AFTER_INVERSION),
    "shuffled, random": ({"noise": "random"}, SAMPLERS),
    "shuffled, as published": ({"as_published": True}, ("ddim",)),
    "vid2vid_zero": ({}, ("ddim",)),
    "vidtome": ({}, AFTER_INVERSION),
    "flatten, as published": ({"as_published": True}, ("ddim",)),
    "tokenflow, as published": ({"as_published": True}, ("ddim",)),
    "text2video_zero, as published": ({"as_published": True}, ("ddim",)),
}


@pytest.fixture
def clip() -> Clip:
    """Five noisy frames, small: there are many editors."""
    return Clip.of(torch.rand(5, 3, 24, 16, generator=torch.Generator().manual_seed(1)), fps=8)


def editor_of(row: str, **settings: Any) -> Editor:
    name, given = row.partition(",")[0], TABLE[row][0]
    return registry.make(name, {"steps": 4, "guidance": 3.0} | given | settings)


def edited(editor: Editor, clip: Clip, model: StableDiffusion, sampler: Sampler) -> Tensor:
    depth = torch.rand(len(clip), 1, *clip.frames.shape[2:], generator=torch.Generator().manual_seed(9))
    asked = {"source_prompt": "a blue car", "depth": depth, "sampler": sampler}
    return edit_clip(editor, clip, "a red car", model, rng=torch.Generator().manual_seed(0), **asked).frames


def test_every_editor_is_in_the_table() -> None:
    assert {row.partition(",")[0] for row in TABLE} == set(registry.names())
    assert {row: editor_of(row).samplers for row in TABLE} == {
        row: taken for row, (_, taken) in TABLE.items()
    }


@pytest.mark.parametrize(
    ("row", "name"),
    [
        (row, name)
        for row, name in product(TABLE, SAMPLERS)
        if name in TABLE[row][1] and name != "ddim" and "instruct" not in row
    ],
)
def test_an_editor_runs_with_what_it_takes(
    row: str, name: SamplerName, clip: Clip, tiny: StableDiffusion
) -> None:
    """At three frames; the same seed gives the same bytes, and they are another sampler's than DDIM's."""
    editor, few = editor_of(row), clip.first(3)
    found = edited(editor, few, tiny, Sampler(name))
    assert found.isfinite().all()
    assert torch.equal(found, edited(editor, few, tiny, Sampler(name)))
    if name != "euler":  # which is DDIM but for its end
        assert not torch.allclose(found, edited(editor, few, tiny, Sampler()), atol=1e-3)


@pytest.mark.parametrize(
    ("row", "name"), [(row, name) for row, name in product(TABLE, SAMPLERS) if name not in TABLE[row][1]]
)
def test_an_editor_refuses_the_others(row: str, name: SamplerName, clip: Clip, tiny: StableDiffusion) -> None:
    with pytest.raises(InputError, match=f"with the sampler {name}, expected {' or '.join(TABLE[row][1])}"):
        edited(editor_of(row), clip, tiny, Sampler(name))


@pytest.mark.parametrize("row", [row for row in TABLE if "published" in row])
def test_published_programs_have_their_own(row: str, clip: Clip, tiny: StableDiffusion) -> None:
    with pytest.raises(InputError, match="spacing karras, expected none: its published program has its own"):
        edited(editor_of(row), clip, tiny, Sampler(spacing="karras"))
    with pytest.raises(InputError, match=r"guidance_rescale 0.7, expected 0"):
        edited(editor_of(row), clip, tiny, Sampler(guidance_rescale=0.7))


def test_fresh_noise_is_refused_after_an_inversion(clip: Clip, tiny: StableDiffusion) -> None:
    with pytest.raises(InputError, match=r"framewise with the eta 0.5, expected 0"):
        edited(Framewise(steps=2), clip, tiny, Sampler(eta=0.5))


@pytest.mark.parametrize(
    "row", ["delta", "framewise", "tokenflow", "vidtome", "vid2vid_zero", "text2video_zero"]
)
def test_karras_goes_with_every_editor(row: str, clip: Clip, tiny: StableDiffusion) -> None:
    few, editor = clip.first(3), editor_of(row)
    for name in [name for name in ("ddim", "dpmpp_2m") if name in editor.samplers]:
        found = edited(editor, few, tiny, Sampler(name, spacing="karras"))
        assert found.isfinite().all()
        assert not torch.equal(found, edited(editor, few, tiny, Sampler(name)))


@pytest.mark.parametrize("row", ["framewise", "tokenflow", "vidtome"])
def test_guidance_rescale_goes_with_editors(row: str, clip: Clip, tiny: StableDiffusion) -> None:
    few, editor = clip.first(3), editor_of(row)
    plain, less = (edited(editor, few, tiny, Sampler(guidance_rescale=share)) for share in (0.0, 0.9))
    assert less.isfinite().all()
    assert not torch.allclose(plain, less, atol=1e-3)


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_stopped_edit_goes_on(name: SamplerName, clip: Clip, tiny: StableDiffusion) -> None:
    editor = Framewise(steps=5, noise="random")
    whole = edited_latents(editor, clip, tiny, Sampler(name))
    for last in (1, 3):
        keeper = Stopping(last)
        with pytest.raises(KeyboardInterrupt):
            edited_latents(editor, clip, tiny, Sampler(name), keeper=keeper)
        keeper.last = 0
        assert torch.equal(edited_latents(editor, clip, tiny, Sampler(name), keeper=keeper), whole)


def edited_latents(
    editor: Editor, clip: Clip, model: StableDiffusion, sampler: Sampler, **others: Any
) -> Tensor:
    rng = torch.Generator().manual_seed(0)
    return editor.edit(
        request_of(editor, clip.frames, model, prompt="a red car", rng=rng, sampler=sampler, **others)
    )


def test_samplers_share_inversions_where_their_timesteps_are_the_same(
    clip: Clip, tiny: StableDiffusion
) -> None:
    from frameweave.diffusion.inversion import Remembered

    kept = Remembered()
    for sampler, recalled in (
        (Sampler(), 0),
        (Sampler("euler"), 1),
        (Sampler("dpmpp_2m"), 1),  # its timesteps are others
        (Sampler("unipc"), 2),
        (Sampler("dpmpp_2m", spacing="karras"), 2),
        (Sampler("ddim", spacing="karras"), 2),  # the network is told fractions
        (Sampler("unipc", spacing="karras"), 3),
    ):
        edited_latents(Framewise(steps=3), clip, tiny, sampler, inversions=kept)
        assert kept.recalled == recalled
