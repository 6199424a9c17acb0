"""VidToMe against recorded runs of the original, its merging against plain definitions."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from frameweave.diffusion.inversion import Trajectory
from frameweave.editors._parts.merging import joined, local, matched
from frameweave.editors._parts.vidtome_draws import ordered, published_draws
from frameweave.editors.request import EditRequest
from frameweave.editors.running import edit_clip, request_of
from frameweave.editors.vidtome import VidToMe
from frameweave.errors import InputError
from frameweave.models.stable_diffusion import StableDiffusion
from frameweave.video.clip import Clip
from golden_cases import Case, largest_step_error, relative, rng

CASES = ["case_a", "case_a_nocontrol"]


def recorded(name: str) -> tuple[Case, VidToMe]:
    case = Case.load(f"vidtome/{name}")
    settings = case.settings
    return case, VidToMe(
        steps=settings["edit_steps"],
        guidance=settings["guidance_scale"],
        variant="pnp" if settings["variant"] == "pnp" else "plain",
        chunk=settings["chunk_size"],
        order=settings["chunk_ord"],
        local_ratio=settings["local_merge_ratio"],
        global_ratio=settings["global_merge_ratio"],
        global_rand=settings["global_rand"],
        align=settings["align_batch"],
        as_published=True,
    )


def asked(case: Case, model: StableDiffusion) -> dict[str, Any]:
    """What the recorded run was asked for, besides its latents and draws."""
    return {
        "model": model,
        "prompt": case.settings["prompt"],
        "negative_prompt": case.settings["negative_prompt"],
        "source_prompt": case.settings["inversion_prompt"],
        "rng": rng(),
    }


@pytest.mark.parametrize("name", CASES)
def test_every_step_is_the_recorded_one(name: str, golden: StableDiffusion) -> None:
    case, editor = recorded(name)
    latents = torch.cat([case["source_latents"][None], case["inversion_latents"]])
    trajectory = Trajectory(case["inversion_timesteps"].tolist(), latents)
    request = EditRequest(x_0=case["source_latents"], draws=case.tensors, **asked(case, golden))
    levels = golden.schedule.timesteps(editor.steps)
    assert levels == case["timesteps"].tolist()
    with editor.denoiser(request, trajectory) as eps:
        error = largest_step_error(eps, case["latents"], golden.schedule, levels, editor.steps)
    assert error < 2e-5  # the recording is float32


@pytest.mark.parametrize("name", CASES)
def test_end_to_end_in_float64(name: str, golden: StableDiffusion) -> None:
    case, editor = recorded(name)
    request = request_of(editor, case["frames"], draws=case.tensors, **asked(case, golden))
    found = editor.edit(request)
    assert relative(found, case["final_latents_f64"]) < 1e-5


@pytest.mark.parametrize("name", CASES)
def test_the_recorded_seed_gives_the_recorded_draws(name: str) -> None:
    case, editor = recorded(name)
    draws = published_draws(editor.choices, len(case["frames"]), case.settings["seed"])
    for what, drawn in draws.items():
        assert torch.equal(drawn.double(), case[what].double()), what


@pytest.mark.parametrize("name", CASES)
def test_end_to_end_from_the_recorded_seed(name: str, golden: StableDiffusion) -> None:
    case, editor = recorded(name)
    seeded = torch.Generator().manual_seed(case.settings["seed"])
    found = editor.edit(request_of(editor, case["frames"], **asked(case, golden) | {"rng": seeded}))
    assert relative(found, case["final_latents_f64"]) < 1e-5


def test_a_finer_inversion_is_another_source(tiny: StableDiffusion, clip: Clip) -> None:
    plain, finer = (
        edit_clip(VidToMe(steps=5, inversion_steps=n), clip, "a red car", tiny, rng=rng()).frames
        for n in (0, 10)
    )
    assert not torch.equal(plain, finer)
    with pytest.raises(InputError, match="does not pass the edit's timestep 801; give inversion_steps=10"):
        edit_clip(VidToMe(steps=5, inversion_steps=7), clip, "a red car", tiny, rng=rng())


@pytest.mark.parametrize("name", CASES)
def test_the_recorded_draws_give_the_recorded_chunks(name: str) -> None:
    case, editor = recorded(name)
    for step in range(editor.steps):
        first = int(case["first_length"][step])
        starts = [0, *range(first, 8, editor.chunk)]
        parts = list(zip(starts, [*starts[1:], 8], strict=True))
        if float(case["reverse_draw"][step]) > 0.5:
            parts.reverse()
        permutation = [k for k in case["permutation"][step].tolist() if k >= 0]
        expected = [(a, a + n) for a, n in case["chunks"][step].tolist() if a >= 0]
        assert [parts[k] for k in ordered(permutation, editor.order)] == expected


def unit(streams: int, tokens: int) -> Tensor:
    return F.normalize(torch.randn(streams, tokens, 5, dtype=torch.float64), dim=-1)


def by_definition(source: Tensor, target: Tensor) -> Tensor:
    return F.cosine_similarity(source[:, :, None], target[:, None], dim=-1)


def test_the_most_similar_tokens_are_merged() -> None:
    source, target = unit(2, 20), unit(2, 7)
    scores = by_definition(source, target)
    stay, dropped, to = matched(source, target, 0.6, aligned=False)
    assert dropped.shape == (2, 12) and stay.shape == (2, 8)
    for stream in range(2):
        best, index = scores[stream].max(1)
        assert best[dropped[stream]].min() >= best[stay[stream]].max()
        assert torch.equal(index[dropped[stream]], to[stream])


def test_aligned_streams_share_the_best_match_of_all() -> None:
    source, target = unit(3, 20), unit(3, 7)
    best, index = torch.cat(list(by_definition(source, target)), 1).max(1)
    stay, dropped, to = matched(source, target, 0.5, aligned=True)
    assert len(stay) == 1 and best[dropped[0]].min() >= best[stay[0]].max()
    assert torch.equal(index[dropped[0]] % 7, to[0])


@pytest.mark.parametrize("frames", [1, 2, 3, 4, 5, 9, 16, 40])
@pytest.mark.parametrize("aligned", [True, False])
def test_unmerging_puts_every_token_back(frames: int, aligned: bool) -> None:
    """Tokens that stay come back to their own places, dropped ones get a token that stays."""
    x = torch.randn(2, frames * 6, 4, dtype=torch.float64)
    merge = local(x, frames, 0.9, aligned=aligned, stride=4, target=lambda _level, n: n - 1)
    if frames == 1:
        assert merge is None
        return
    assert merge is not None
    stays = merge.merged(x)
    back = merge.unmerged(stays)
    assert back.shape == x.shape
    for stream in range(2):
        stay = merge.stay[stream if len(merge.stay) > 1 else 0]
        assert torch.equal(back[stream][stay], stays[stream])
    if frames == 4:
        assert stays.shape[1] == 6 + 18 - int(18 * 0.9)


def test_equal_frames_merge_into_one_and_come_back() -> None:
    """Every dropped token is a copy of its target, at any number of levels."""
    frame = torch.randn(2, 1, 6, 8, dtype=torch.float64)
    x = frame.expand(-1, 40, -1, -1).flatten(1, 2)
    merge = local(x, 40, 1.0, aligned=True, stride=4, target=lambda _level, _n: 0)
    assert merge is not None
    assert merge.merged(x).shape[1] == 6
    torch.testing.assert_close(merge.unmerged(merge.merged(x)), x)


@pytest.mark.parametrize("into_remembered", [True, False])
def test_joining_gives_the_chunk_its_own_tokens_back(into_remembered: bool) -> None:
    x, remembered = torch.randn(2, 10, 4), torch.randn(2, 8, 4)
    pair = joined(x, remembered, 0.0, aligned=True, into_remembered=into_remembered)
    assert pair.tokens.shape[1] == 18
    assert torch.equal(pair.unjoined(pair.tokens), x)
    pair = joined(x, remembered, 0.5, aligned=True, into_remembered=into_remembered)
    own = pair.unjoined(pair.tokens)
    changed = (own != x).any(-1).sum(1)
    assert changed.tolist() == ([5, 5] if into_remembered else [0, 0])


@pytest.mark.parametrize("frames", [1, 2, 7])
@pytest.mark.parametrize("variant", ["pnp", "depth", "plain"])
def test_any_number_of_frames(frames: int, variant: str, tiny: StableDiffusion) -> None:
    clip = Clip.of(torch.rand(frames, 3, 32, 32, generator=rng()))
    editor = VidToMe(steps=3, chunk=3, variant=variant)  # pyright: ignore[reportArgumentType]
    depth = torch.rand(frames, 1, 32, 32, generator=rng())
    result = edit_clip(editor, clip, "a red car", tiny, source_prompt="a car", depth=depth, rng=rng())
    assert len(result) == frames
    assert torch.isfinite(result.frames).all()


@pytest.mark.parametrize("order", ["seq", "rand", "mix", "mix-1", "mix-4"])
@pytest.mark.parametrize("merge_global", [True, False])
def test_every_order(order: str, merge_global: bool, tiny: StableDiffusion, clip: Clip) -> None:
    editor = VidToMe(steps=2, chunk=2, order=order, merge_global=merge_global, global_ratio=0.0)
    assert torch.isfinite(edit_clip(editor, clip, "a red car", tiny, rng=rng()).frames).all()


def test_without_merging_it_is_attention_over_the_chunk(tiny: StableDiffusion, clip: Clip) -> None:
    """At ratio 0 every token stays: a chunk of one frame is then edited alone."""
    editor = VidToMe(steps=3, chunk=1, local_ratio=0.0, merge_global=False)
    together = edit_clip(editor, clip, "a red car", tiny, rng=rng())
    alone = edit_clip(editor, Clip.of(clip.frames[2:3]), "a red car", tiny, rng=rng())
    torch.testing.assert_close(together.frames[2:3], alone.frames, atol=1e-4, rtol=0)


def test_wrong_orders_and_missing_depth_are_refused(tiny: StableDiffusion, clip: Clip) -> None:
    for settings, message in (
        ({"order": "mixed"}, "order 'mixed'"),
        ({"order": "mix-0", "merge_global": False}, "order 'mix-0'"),
        ({"stride": 1}, "stride is 1"),
        ({"chunk": 0}, "chunk is 0"),
    ):
        with pytest.raises(InputError, match=message):
            edit_clip(VidToMe(steps=2, **settings), clip, "a red car", tiny, rng=rng())
    with pytest.raises(InputError, match="needs the clip's depth"):
        edit_clip(VidToMe(steps=2, variant="depth"), clip, "a red car", tiny, rng=rng())
