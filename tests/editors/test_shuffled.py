"""Shuffled groups: RAVE's program written out beside it, joint attention against a grid, groups, resuming."""

from itertools import chain, pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from frameweave.editors._parts.groups import Grouping, Shuffle, joint_eps
from frameweave.editors._published.shuffled import tiled, untiled
from frameweave.editors.framewise import Framewise
from frameweave.editors.request import EditRequest
from frameweave.editors.running import edit_clip, request_of
from frameweave.editors.shuffled import Shuffled
from frameweave.errors import InputError, OutOfMemory
from frameweave.models.loading.load import load
from frameweave.models.stable_diffusion import StableDiffusion
from frameweave.video.clip import Clip
from golden_cases import relative, rng
from stopping import Stopping

PROMPT, NEGATIVE = "a red car", "a blue sky"
STEPS, GUIDANCE, SCALE = 4, 7.5, 0.7


@pytest.fixture(scope="module")
def exact(tiny_folder: Path) -> StableDiffusion:
    return load(str(tiny_folder), device="cpu", dtype="fp64")


def request(editor: Shuffled, model: StableDiffusion, frames: int, **others: Any) -> EditRequest:
    seeded = torch.Generator().manual_seed(5)
    pictures = torch.rand(frames, 3, 24, 16, generator=seeded, dtype=torch.float64).to(model.dtype)
    maps = {"depth": torch.rand(frames, 1, 24, 16, generator=seeded)} if editor.needs_depth else {}
    given: dict[str, Any] = {"rng": rng(), "maps": maps, "negative_prompt": NEGATIVE} | others
    return request_of(editor, pictures, model, prompt=PROMPT, **given)


class Written:
    """RAVE's loops by the letter, on diffusers' networks; grids are put together tile by tile."""

    def __init__(self, model: StableDiffusion, depth: Tensor, side: int) -> None:
        self.model, self.depth, self.side = model, depth.double(), side
        self.alpha_bar = model.schedule.alpha_bar.double()

    def grid(self, frames: Tensor) -> Tensor:
        g, (_, channels, h, w) = self.side, frames.shape
        picture = frames.new_zeros(1, channels, g * h, g * w)
        for k, frame in enumerate(frames):
            row, column = k // g, k % g
            picture[0, :, row * h : (row + 1) * h, column * w : (column + 1) * w] = frame
        return picture

    def cut(self, picture: Tensor) -> Tensor:
        g, (h, w) = self.side, (n // self.side for n in picture.shape[2:])
        return torch.cat(
            [picture[:, :, k // g * h : (k // g + 1) * h, k % g * w : (k % g + 1) * w] for k in range(g * g)]
        )

    def text(self, prompt: str) -> Tensor:
        tokenizer, encoder = self.model.tokenizer, self.model.text.networks[0]
        ids = tokenizer(prompt, padding="max_length", max_length=tokenizer.model_max_length, truncation=True)
        return encoder(torch.tensor([ids.input_ids]))[0]

    @torch.no_grad()
    def noise(self, x: Tensor, t: int, prompt: str, depth: Tensor, scale: float) -> Tensor:
        texts = self.text(prompt).expand(len(x), -1, -1)
        down, mid = self.model.controls[0].network(
            x,
            t,
            texts,
            controlnet_cond=depth.expand(-1, 3, -1, -1),
            conditioning_scale=scale,
            return_dict=False,
        )
        return self.model.unet(
            x,
            t,
            texts,
            down_block_additional_residuals=down,
            mid_block_additional_residual=mid,
            return_dict=False,
        )[0]

    def at(self, t: int) -> float:
        return float(self.alpha_bar[t]) if t >= 0 else float(self.alpha_bar[0])  # set_alpha_to_one is false

    def moved(self, x: Tensor, eps: Tensor, t: int, t_to: int) -> Tensor:
        a, a_to = self.at(t), self.at(t_to)
        return a_to**0.5 * (x - (1 - a) ** 0.5 * eps) / a**0.5 + (1 - a_to) ** 0.5 * eps

    def inverted(self, x: Tensor, steps: int) -> Tensor:
        gap = 1000 // steps
        for i in range(steps):
            t = 1 + i * gap
            eps = torch.cat([self.noise(x[k, None], t, "", self.depth[k, None], 1.0) for k in range(len(x))])
            x = self.moved(x, eps, t - gap, t)
        return x

    def edited(self, x: Tensor, permutations: Tensor) -> list[Tensor]:
        """The latents after each step, in the clip's order."""
        index, depth, found = torch.arange(len(x)), self.depth, list[Tensor]()
        gap = 1000 // STEPS
        for i in range(STEPS):
            r, t = permutations[i], 1 + (STEPS - 1 - i) * gap
            x, depth, index = x[r], depth[r], index[r]
            scale = GUIDANCE if i / STEPS > 0.0 else 0.0
            parts = list[Tensor]()
            for frames in torch.arange(len(x)).split(self.side**2):
                one, picture = self.grid(x[frames]), self.grid(depth[frames])
                negative, positive = (
                    self.noise(one, t, prompt, picture, SCALE) for prompt in (NEGATIVE, PROMPT)
                )
                parts.append(self.cut(negative + scale * (positive - negative)))
            x = self.moved(x, torch.cat(parts), t, t - gap)
            found.append(x[index.argsort()])
        return found


class Steps:
    """Keeps the latents after every step."""

    def __init__(self) -> None:
        self.latents: list[Tensor] = []

    def earlier(self, rng: torch.Generator) -> None:
        return None

    def after(self, done: int, x: Tensor, expected: Tensor, rng: torch.Generator) -> None:
        self.latents.append(x)


@pytest.mark.parametrize(("side", "frames"), [(2, 11), (3, 18)])
def test_as_published_every_step_is_that_of_the_written_program(
    side: int, frames: int, exact: StableDiffusion
) -> None:
    """With a ControlNet; of 11 frames in grids of 4 the last three are left out."""
    whole = frames - frames % side**2
    seeded = torch.Generator().manual_seed(3)
    permutations = torch.stack([torch.randperm(whole, generator=seeded) for _ in range(STEPS)])
    published = {"group": side**2, "controlnet": True, "controlnet_scale": SCALE, "as_published": True}
    editor = Shuffled(steps=STEPS, guidance=GUIDANCE, **published)
    steps = Steps()
    asked = request(editor, exact, frames, draws={"permutations": permutations}, keeper=steps)
    written = Written(exact, asked.maps["depth"][:whole], side)
    start = written.inverted(asked.x_0[:whole], STEPS)
    assert relative(editor.inverted(asked).noisiest, start) < 1e-12
    found = editor.edit(asked)
    expected = written.edited(start, permutations)
    assert torch.equal(found, steps.latents[-1])
    for one, other in zip(steps.latents, expected, strict=True):
        assert relative(one, other) < 1e-12


def test_as_published_a_seed_gives_the_permutations_of_the_program(exact: StableDiffusion) -> None:
    """One call of randperm for each step, after the seeding, and nothing else."""
    editor = Shuffled(steps=STEPS, group=4, as_published=True)
    torch.manual_seed(8)
    drawn = torch.stack([torch.randperm(8) for _ in range(STEPS)])
    seeded = editor.edit(request(editor, exact, 8, rng=torch.Generator().manual_seed(8)))
    replayed = editor.edit(request(editor, exact, 8, draws={"permutations": drawn}))
    assert torch.equal(seeded, replayed)


def test_as_published_noise_of_each_frame_can_be_replayed(exact: StableDiffusion) -> None:
    editor = Shuffled(steps=2, group=4, noise="random", as_published=True, shuffle="none")
    noise = torch.randn(4, 4, 12, 8, generator=rng(), dtype=torch.float64)
    asked = request(editor, exact, 5, draws={"initial_noise": noise})
    assert torch.equal(editor.started(asked), exact.schedule.add_noise(asked.x_0[:4], noise, 501))
    assert len(editor.edit(asked)) == 4


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"group": 5}, "group is 5, expected as published a square.*group=4 or 9"),
        ({"group": 3}, "give group=1 or 4"),
        ({"shuffle": "local"}, "shuffle is local"),
        ({"anchor_frame": 0}, "anchor_frame 0"),
    ],
)
def test_as_published_what_the_program_lacks_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Shuffled(as_published=True, **settings)


def test_as_published_fewer_frames_than_a_grid_are_refused(tiny: StableDiffusion) -> None:
    editor = Shuffled(steps=2, as_published=True)
    with pytest.raises(InputError, match="8 frames, as published at least 9"):
        editor.edit(request(editor, tiny, 8))


def test_tiles_come_back() -> None:
    frames = torch.randn(18, 2, 3, 5)
    grids = tiled(frames, 3)
    assert grids.shape == (2, 2, 9, 15)
    assert torch.equal(grids[1, :, 3:6, 10:], frames[14])
    assert torch.equal(untiled(grids, 3), frames)


def centre_taps(network: nn.Module) -> None:
    """Of each convolution only the middle weight stays: nothing reads across the border of a tile."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d) and layer.kernel_size == (3, 3):
            middle = layer.weight.data[:, :, 1:2, 1:2].clone()
            layer.weight.data.zero_()
            layer.weight.data[:, :, 1:2, 1:2] = middle


@pytest.fixture
def tapped(tiny_folder: Path) -> StableDiffusion:
    model = load(str(tiny_folder), device="cpu", dtype="fp64")
    centre_taps(model.unet)
    return model


def test_without_borders_a_group_is_a_grid(tapped: StableDiffusion) -> None:
    """Joint attention and norms over the group together, and neither alone, are what a grid does."""
    editor = Shuffled(group=9)
    asked = request(editor, tapped, 9)
    x = torch.randn(9, 4, 16, 16, generator=rng(), dtype=torch.float64)
    order = torch.randperm(9, generator=rng())
    conditioning = tapped.conditioning([NEGATIVE, PROMPT])
    negative, positive = tapped.predict(tiled(x[order], 3), 501, conditioning)
    expected = torch.empty_like(x)
    expected[order] = untiled(negative + 5 * (positive - negative), 3)

    def joint(size: int, *, joint_norms: bool) -> Tensor:
        with joint_eps(asked, Grouping(size), 5.0, asked.guides, joint_norms=joint_norms) as eps:
            return eps(x, 501, order)

    assert relative(joint(9, joint_norms=True), expected) < 1e-12
    assert relative(joint(9, joint_norms=False), expected) > 1e-3
    assert relative(joint(5, joint_norms=True), expected) > 1e-3


def test_one_group_of_equal_frames_is_framewise(exact: StableDiffusion) -> None:
    """Keys and values that are all alike, any number of times, are one frame's."""
    clip = Clip.of(torch.rand(1, 3, 24, 16, generator=rng(), dtype=torch.float64).expand(5, -1, -1, -1))
    alone = edit_clip(Framewise(steps=3), clip, PROMPT, exact, rng=rng())
    for settings in ({}, {"group": 2, "norms_over_group": True}, {"group": 3, "anchor_frame": 4}):
        found = edit_clip(Shuffled(steps=3, **settings), clip, PROMPT, exact, rng=rng())
        assert torch.allclose(found.frames, alone.frames, atol=1e-6)


def test_branches_and_groups_do_not_see_each_other(exact: StableDiffusion) -> None:
    editor = Shuffled(shuffle="none", group=3)
    asked = request(editor, exact, 6)
    x = torch.randn(6, 4, 12, 8, generator=rng(), dtype=torch.float64)
    with editor.denoiser(asked) as eps:
        first = eps(x, 961)
        x[4] += 1
        second = eps(x, 961)
    assert torch.equal(first[:3], second[:3])
    assert not torch.allclose(first[3], second[3], atol=1e-6)


def test_an_anchor_ties_all_groups(exact: StableDiffusion) -> None:
    """Each other frame sees it, and its own prediction is the mean of those in all groups."""
    editor = Shuffled(shuffle="none", group=3, anchor_frame=0)
    asked = request(editor, exact, 5)
    x = torch.randn(5, 4, 12, 8, generator=rng(), dtype=torch.float64)
    with editor.denoiser(asked) as eps:
        found = eps(x, 961)
        changed = x.clone()
        changed[0] += 1
        moved = eps(changed, 961)
    assert all(not torch.allclose(found[k], moved[k], atol=1e-6) for k in range(5))
    pair = Shuffled(shuffle="none", group=3)
    alone: list[Tensor] = []
    for others in ([0, 1, 2], [0, 3, 4]):
        with pair.denoiser(request(pair, exact, 3)) as eps:
            alone.append(eps(x[others], 961))
    assert relative(found[0], (alone[0][0] + alone[1][0]) / 2) < 1e-12
    assert relative(found[3], alone[1][1]) < 1e-12


@pytest.mark.parametrize("shuffle", ["random", "strided", "local", "none"])
@pytest.mark.parametrize("anchor", [-1, 2])
def test_groups_are_nearly_equal_and_hold_every_frame(shuffle: Shuffle, anchor: int) -> None:
    for size in (2, 3, 4, 9):
        for frames in (3, 4, 7, 9, 10, 19, 27, 28, 1000):
            grouping, seeded = Grouping(size, shuffle, anchor), rng()
            for _ in range(3):
                groups = grouping.groups(grouping.drawn(frames, seeded))
                own = [[frame for frame in group if frame != anchor] for group in groups]
                assert sorted(chain(*own)) == [frame for frame in range(frames) if frame != anchor]
                sizes = [len(group) for group in groups]
                assert max(sizes) - min(sizes) <= 1 and min(sizes) >= 2
                assert max(sizes) <= size or (size, frames % 2, anchor) == (2, 1, -1)
                assert all((anchor in group) == (anchor >= 0) for group in groups)


def test_strided_groups_span_the_clip_and_local_ones_do_not() -> None:
    strided, local = Grouping(4, "strided"), Grouping(4, "local")
    for _ in range(5):
        for group in strided.groups(strided.drawn(12, rng())):
            assert [frame // 3 for frame in group] == [0, 1, 2, 3]
        for group in local.groups(local.drawn(12, rng())):
            assert all((b - a) % 12 == 1 for a, b in pairwise(group))


@pytest.mark.parametrize("frames", [1, 2])
def test_few_frames_are_one_group(frames: int) -> None:
    for shuffle in ("random", "strided", "local", "none"):
        for anchor in range(-1, frames):
            grouping = Grouping(9, shuffle, anchor)
            groups = grouping.groups(grouping.drawn(frames, rng()))
            assert [sorted(group) for group in groups] == [list(range(frames))]


def test_shuffles_differ_from_each_other_and_from_none(tiny: StableDiffusion, clip: Clip) -> None:
    results = [
        edit_clip(Shuffled(steps=3, group=2, shuffle=kind), clip, PROMPT, tiny, rng=rng()).frames
        for kind in ("random", "strided", "local", "none")
    ]
    assert all(not torch.equal(a, b) for k, a in enumerate(results) for b in results[k + 1 :])


@pytest.mark.parametrize(
    "settings",
    [{}, {"noise": "random"}, {"as_published": True, "group": 4}, {"anchor_frame": 1, "shuffle": "strided"}],
)
def test_a_stopped_edit_goes_on_with_the_same_bytes(settings: dict[str, Any], tiny: StableDiffusion) -> None:
    editor = Shuffled(**{"steps": 4, "group": 3} | settings)
    whole = editor.edit(request(editor, tiny, 8))
    for last in (1, 3):
        keeper = Stopping(last)
        with pytest.raises(KeyboardInterrupt):
            editor.edit(request(editor, tiny, 8, keeper=keeper))
        assert torch.equal(editor.edit(request(editor, tiny, 8, keeper=keeper)), whole)


def test_no_call_is_larger_than_a_group(tiny: StableDiffusion) -> None:
    """Whatever the length of the clip."""
    pictures: list[int] = []
    hook = tiny.unet.register_forward_pre_hook(lambda _module, args: pictures.append(len(args[0])))
    try:
        clip = Clip.of(torch.rand(1, 3, 4, 4).expand(100, -1, -1, -1))
        found = edit_clip(Shuffled(steps=1, group=8), clip, PROMPT, tiny, rng=rng())
    finally:
        hook.remove()
    assert len(found) == 100 and max(pictures) == 2 * 8


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (torch.zeros(2, 5), r"permutations of shape \(2, 5\), expected the numbers of 5 frames in each of 2"),
        (torch.arange(5).expand(3, -1), r"shape \(3, 5\)"),
        (torch.arange(6).expand(2, -1), r"shape \(2, 6\)"),
    ],
)
def test_wrong_draws_are_refused(given: Tensor, message: str, tiny: StableDiffusion) -> None:
    editor = Shuffled(steps=2)
    with pytest.raises(InputError, match=message):
        editor.edit(request(editor, tiny, 5, draws={"permutations": given}))


def test_an_anchor_outside_the_clip_is_refused_before_any_work(
    tiny: StableDiffusion, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(self: StableDiffusion, *args: Any) -> Tensor:
        raise AssertionError("heavy work")

    monkeypatch.setattr(StableDiffusion, "predict", forbidden)
    editor = Shuffled(steps=2, anchor_frame=5)
    with pytest.raises(InputError, match="anchor_frame is 5, expected a frame of the clip, 0 to 4"):
        editor.edit(request(editor, tiny, 5))


def test_without_memory_a_smaller_group_is_advised(
    tiny: StableDiffusion, clip: Clip, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(self: StableDiffusion, *args: Any) -> Tensor:
        raise torch.OutOfMemoryError

    monkeypatch.setattr(StableDiffusion, "predict", failing)
    with pytest.raises(OutOfMemory, match="--set group=9"):
        edit_clip(Shuffled(steps=2), clip, PROMPT, tiny, rng=rng())


def test_the_control_of_the_inversion_is_a_setting(exact: StableDiffusion) -> None:
    started: list[Tensor] = []
    for scale, inside in ((0.7, True), (0.2, True), (0.7, False), (0.2, False)):
        editor = Shuffled(steps=2, controlnet=True, controlnet_scale=scale, controlnet_in_inversion=inside)
        started.append(editor.started(request(editor, exact, 2)))
    assert not torch.equal(started[0], started[1])
    assert torch.equal(started[2], started[3])
    plain = Shuffled(steps=2)
    assert torch.equal(started[2], plain.started(request(plain, exact, 2)))
