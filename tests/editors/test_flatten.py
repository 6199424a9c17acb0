"""FLATTEN against its published program written out, trajectories by walks, and what settings promise."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import UNet2DConditionModel
from torch import Tensor

from flatten_written_out import INJECTED_ATTENTIONS, INJECTED_BLOCKS, Program, Texts, chains, edited, keys_of
from frameweave.diffusion.inversion import Remembered
from frameweave.diffusion.sampling import ddim_step
from frameweave.editors._parts.trajectories import Links
from frameweave.editors._published.flatten import OURS, PUBLISHED
from frameweave.editors.flatten import Flatten
from frameweave.editors.framewise import Framewise
from frameweave.editors.request import EditRequest
from frameweave.errors import InputError, ModelFolderError
from frameweave.models.features import outermost_layers
from frameweave.models.loading.load import load
from frameweave.models.stable_diffusion import StableDiffusion
from golden_cases import relative, rng
from tiny import WIDTH

SIDE, FRAMES = 8, 4


@pytest.fixture(scope="module")
def exact(tiny_folder: Path) -> StableDiffusion:
    return load(str(tiny_folder), device="cpu", dtype="fp64")


@pytest.fixture(scope="module")
def four(exact: StableDiffusion) -> StableDiffusion:
    """Four levels with the blocks of Stable Diffusion, in float64."""
    torch.manual_seed(0)
    unet = UNet2DConditionModel(
        sample_size=SIDE,
        down_block_types=("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
        up_block_types=("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
        block_out_channels=(8, 8, 16, 16),
        attention_head_dim=2,
        layers_per_block=2,
        norm_num_groups=4,
        cross_attention_dim=WIDTH,
    )
    for weight in unet.conv_out.parameters():
        weight.data.mul_(4)
    for name, weight in unet.named_parameters():  # attention that looks at something
        if "attn1.to_q" in name or "attn1.to_k" in name:
            weight.data.mul_(4)
    return replace(exact, unet=unet.double().eval().requires_grad_(False))


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 64 x 64 latents a network is slow to write out."""
    monkeypatch.setattr("frameweave.editors._published.flatten._SIDE", SIDE)


def flow_of(kind: str) -> Tensor:
    """On a canvas of 64 pixels, eight for each cell."""
    if kind == "fast":  # no trajectory has all frames
        return torch.tensor([24.0, -4.0])[:, None, None].expand(FRAMES - 1, 2, 64, 64)
    wild = 14 * torch.randn(FRAMES - 1, 2, 64, 64, generator=rng())
    wild[:, :, :16] = 0  # halves, and content that stands
    wild[:, 0, 16:24] = 4.0
    return wild


def request_of(model: StableDiffusion, **others: Any) -> EditRequest:
    x_0 = torch.randn(FRAMES, 4, SIDE, SIDE, generator=rng()).double()
    return EditRequest(
        model=model,
        x_0=x_0,
        prompt="a red car",
        source_prompt="a blue car",
        negative_prompt="night",
        rng=rng(),
        **others,
    )


@pytest.mark.parametrize(
    ("kind", "match", "steps", "inject"), [("wild", "outputs", 5, 3), ("fast", "queries", 2, 2)]
)
def test_as_published_every_step_is_the_programs(
    kind: str, match: Any, steps: int, inject: int, four: StableDiffusion
) -> None:
    flow = flow_of(kind)
    made = chains(flow, SIDE, rng())
    assert (made.longest < FRAMES) == (kind == "fast") and (made.conflicts > 5 or kind == "fast")
    scale, inversion = 9.0, 10
    program = Program(four.unet, FRAMES, SIDE, *keys_of(made), old_qk=match == "queries")
    draws = {"flow": flow, "conflicts": made.chosen}
    request = request_of(four, draws=draws)
    empty, negative, prompt = (
        four.conditioning([text]).texts[0] for text in ("", request.negative_prompt, request.prompt)
    )
    alpha_bar = four.schedule.alpha_bar.double()
    expected = edited(
        program,
        request.x_0,
        Texts(empty, negative, prompt),
        alpha_bar,
        steps=steps,
        inject=inject,
        scale=scale,
        inversion=inversion,
    )
    editor = Flatten(
        steps=steps,
        inversion_steps=inversion,
        guidance=scale,
        match=match,
        attention_share=inject / 50,
        feature_share=inject / 50,
        as_published=True,
    )
    asked = editor._rules.asked(request)
    trajectory = editor.inverted(asked)
    assert relative(trajectory.noisiest, expected[0]) < 1e-12
    with editor.denoiser(asked, trajectory) as eps:
        for before, after, t in zip(expected[:-1], expected[1:], editor.timesteps(asked), strict=True):
            a, to = four.schedule.at(t), four.schedule.at(four.schedule.before(t, steps))
            assert relative(ddim_step(before, eps(before, t), a, to), after) < 1e-12
    assert relative(editor.edit(request), expected[-1]) < 1e-11


def test_as_published_the_inversion_has_100_steps_and_leaves_out_the_first(four: StableDiffusion) -> None:
    """It is told 1, 11, ..., 981 on the way to 11, ..., 991; features are taken at 981, 961, ..., 1."""
    editor = Flatten(steps=50, as_published=True)
    rules, request = editor._rules, editor._rules.asked(request_of(four))
    passed = rules.passed(request, 50, 0)
    assert list(passed) == list(range(991, 1, -10)) and passed.steps == 100
    assert [rules.told(request.schedule, t, 100) for t in passed] == list(range(981, 0, -10))
    assert rules.sources(editor.timesteps(request), 0) == list(range(981, 0, -20))
    assert rules.injected(range(50), 0.8) == frozenset(range(40))
    assert rules.injected(range(25), 0.8) == frozenset(range(25))
    assert request.source_prompt == ""


@pytest.mark.parametrize("side", [8, 5])
def test_as_published_trajectories_are_those_of_a_walk(side: int) -> None:
    """With neighbours in the free places of those that are all short."""
    flow = flow_of("wild") if side == 8 else flow_of("fast")
    made = chains(flow, side, rng())
    rules = PUBLISHED
    links = rules.links(
        rules.sized(flow, (side, side)), torch.zeros(3, side, side), 1.0, {"conflicts": made.chosen}
    )
    numbers = links.trajectories().unflatten(1, (side, side))
    found = {
        tuple(point): [tuple(other) for other in (numbers == numbers[tuple(point)]).nonzero().tolist()]
        for point in torch.ones_like(numbers).nonzero().tolist()
    }
    assert found == made.of
    q, k, v = torch.randn(3, 2, 3, FRAMES * side * side, 4, generator=rng()).double()
    keys, there = keys_of(made)
    scores = (q[:, :, :, None] @ k[:, :, keys].transpose(-1, -2) / 2)[:, :, :, 0].masked_fill(
        ~there, -torch.inf
    )
    expected = (scores.softmax(-1)[:, :, :, None] @ v[:, :, keys])[:, :, :, 0]
    along = rules.along(numbers.flatten(1), (side, side), torch.device("cpu"))
    assert relative(along(q, k, v), expected) < 1e-13


@pytest.mark.parametrize(("settings", "changed", "message"), [
    ({"guidance": 1.0}, {}, "guidance is 1, as published more than 1"),
    ({"steps": 30}, {}, "30 steps take features .* passes 3 of them, as published 30"),
    ({"steps": 100}, {"frames": 1}, "1 frame, as published at least 2"),
    ({}, {"side": 6}, "frames of 12 x 12 pixels, as published 16 x 16"),
])  # fmt: skip
def test_as_published_what_the_program_cannot_do_is_refused(
    settings: dict[str, Any], changed: dict[str, int], message: str, four: StableDiffusion
) -> None:
    with pytest.raises(InputError, match=message):
        editor = Flatten(as_published=True, **{"steps": 5} | settings)
        frames, side = changed.get("frames", FRAMES), changed.get("side", SIDE)
        editor.edit(replace(request_of(four), x_0=torch.zeros(frames, 4, side, side).double()))


def test_as_published_conflicts_of_another_shape_are_told(four: StableDiffusion) -> None:
    draws = {"flow": flow_of("wild"), "conflicts": torch.zeros(3, SIDE, SIDE).long()}
    with pytest.raises(InputError, match=r"conflicts of shape \[3, 8, 8\], expected \[3, 64\]"):
        Flatten(as_published=True, steps=5).edit(request_of(four, draws=draws))


def test_as_published_a_network_of_other_blocks_is_refused(exact: StableDiffusion) -> None:
    request = request_of(exact, draws={"flow": flow_of("wild")})
    with pytest.raises(ModelFolderError, match=r"no up_blocks.1.attentions.2.transformer_blocks.0.attn1"):
        Flatten(as_published=True, steps=5).edit(request)


def test_slow_content_is_followed_though_it_moves_less_than_a_cell_at_a_time() -> None:
    """A third of a cell to the right for each frame. Trajectories that begin behind it do not end it."""
    flow = torch.zeros(7, 2, 3, 6)
    flow[:, 0] = 1 / 3 + 1e-6
    sure = torch.ones(7, 3, 6)
    carried, still = (Links(flow, sure, carried=carried).trajectories() for carried in (True, False))
    assert (still == still[0]).all()
    first = [[(carried[t] == number).nonzero().flatten().tolist() for t in range(8)] for number in (0, 6)]
    assert first == [[[k + n] for n in (0, 0, 1, 1, 1, 2, 2, 2)] for k in (0, 6)]


def test_the_surest_the_nearest_the_first_goes_on() -> None:
    """Of those that are equally old."""
    flow = torch.zeros(1, 2, 1, 4)
    flow[0, 0, 0] = torch.tensor([1.0, 0.0, -1.2, -2.0])  # all to cell 1
    for sure, expected in (([0.5, 0.5, 0.9, 0.5], 2), ([0.5, 0.5, 0.5, 0.5], 0), ([0.1, 0.4, 0.4, 0.4], 1)):
        links = Links(flow, torch.tensor([[sure]]), 0.2 if expected == 1 else 0.0)
        after = links.trajectories()[1]
        assert after[1] == expected and (after != torch.arange(4)).sum() >= 3


def test_a_trajectory_ends_where_its_content_is_not_seen_and_at_a_cut(exact: StableDiffusion) -> None:
    flow, sure = torch.zeros(4, 2, 4, 4), torch.ones(4, 4, 4)
    sure[1], sure[3, 0, 0] = 0, 0.4
    numbers = Links(flow, sure, 0.5).trajectories()
    assert (numbers[0] == numbers[1]).all() and (numbers[2] == numbers[3]).all()
    assert not (numbers[1][:, None] == numbers[2]).any()
    assert (numbers[3] != numbers[4]).nonzero().tolist() == [[0]]
    assert sorted(set(numbers.flatten().tolist())) == list(range(33))


@pytest.mark.parametrize("dense", ["all", "inner", "none"])
def test_with_everything_off_frames_are_edited_one_by_one(dense: Any, exact: StableDiffusion) -> None:
    off = {"attention_share": 0.0, "feature_share": 0.0, "trajectories": False, "joint_norms": False}
    request = request_of(exact)
    found = Flatten(steps=3, guidance=5.0, dense=dense, **off).edit(request)
    alone = Framewise(steps=3, guidance=5.0).edit(request)
    assert (relative(found, alone) < 1e-10) == (dense == "none")


@pytest.mark.parametrize("settings", [{}, {"match": "queries", "dense": "inner"}, {"dense": "none"}])
def test_branches_one_after_the_other_give_the_same(settings: dict[str, Any], exact: StableDiffusion) -> None:
    request = request_of(exact, draws={"flow": flow_of("wild")})
    plain = Flatten(steps=3, **settings).edit(request)
    assert relative(Flatten(steps=3, save_memory=True, **settings).edit(request), plain) < 1e-12
    for change in ({"trajectories": False}, {"attention_share": 0.0}, {"feature_share": 0.0}):
        assert relative(Flatten(steps=3, **settings | change).edit(request), plain) > 1e-6
    assert Flatten(steps=3, guidance=1.0, **settings).edit(request).isfinite().all()


def test_a_long_clip_is_edited_in_parts_with_trajectories_of_their_own(exact: StableDiffusion) -> None:
    """Two parts that share no frame are two clips, but for the noise that the sampler draws."""
    request = request_of(exact, draws={"flow": flow_of("wild")})
    whole = Flatten(steps=3, context_length=2, context_overlap=0).edit(request)
    for part in (slice(0, 2), slice(2, 4)):
        draws = {"flow": flow_of("wild")[part.start : part.stop - 1]}
        own = Flatten(steps=3).edit(replace(request, x_0=request.x_0[part], draws=draws))
        assert relative(whole[part], own) < 1e-12
    overlapping = Flatten(steps=3, context_length=3, context_overlap=1).edit(request)
    assert overlapping.isfinite().all() and relative(overlapping, whole) > 1e-6


def test_prompts_share_an_inversion_and_other_motion_makes_another(exact: StableDiffusion) -> None:
    store = Remembered()
    request = request_of(exact, draws={"flow": flow_of("wild")}, inversions=store)
    one = Flatten(steps=3).edit(request)
    other = Flatten(steps=3).edit(replace(request, prompt="a green car"))
    assert store.recalled == 1 and not torch.equal(one, other)
    Flatten(steps=3).edit(replace(request, draws={"flow": torch.zeros(3, 2, 8, 8)}))
    Flatten(steps=3, match="queries").edit(request)
    Flatten(steps=3, joint_norms=False).edit(request)
    assert store.recalled == 1
    Flatten(steps=3).edit(replace(request, draws={"flow": torch.zeros(3, 2, 16, 16).half()}))
    assert store.recalled == 2, "the same motion, of another size and type"


@pytest.mark.parametrize(("flow", "message"), [
    (None, "follows the source's motion, and the request has none"),
    (torch.zeros(4, 2, 8, 8), r"flow of shape \[4, 2, 8, 8\], expected \[3, 2\]"),
    (torch.zeros(3, 8, 8, 2).half(), r"flow of shape \[3, 8, 8, 2\]"),
])  # fmt: skip
def test_motion_that_is_missing_or_of_other_frames_is_told(
    flow: Tensor | None, message: str, exact: StableDiffusion
) -> None:
    request = request_of(exact, draws={} if flow is None else {"flow": flow})
    with pytest.raises(InputError, match=message):
        Flatten(steps=3).edit(request)
    assert Flatten(steps=3, trajectories=False).edit(request).isfinite().all()


def test_on_the_blocks_of_stable_diffusion_features_are_taken_where_the_program_takes_them(
    four: StableDiffusion, tiny_xl: StableDiffusion
) -> None:
    for rules in (OURS, PUBLISHED):
        assert rules.layers(four.unet) == set(INJECTED_ATTENTIONS)
        assert rules.blocks(four.unet) == set(INJECTED_BLOCKS)
    names, halvings = outermost_layers(four.unet)
    assert halvings == 0 and {name.split(".trans")[0] for name in names} == {
        f"{block}.attentions.{k}"
        for block, count in (("down_blocks.0", 2), ("up_blocks.3", 3))
        for k in range(count)
    }
    names, halvings = outermost_layers(tiny_xl.unet)  # whose largest level has no attention
    assert halvings == 1 and {name.split(".")[0] for name in names} == {
        "down_blocks",
        "up_blocks",
        "mid_block",
    }
