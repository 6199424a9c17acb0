"""The world: its facts (flow, depth, masks) agree with its pictures, and splits never overlap."""

import pytest
import torch
import torch.nn.functional as F

from frameweave.errors import InputError
from frameweave.world.render import render, render_clip
from frameweave.world.scene import ATTRIBUTES, MOTIONS, combinations, fold, sample_scenes


def test_no_combination_of_the_held_out_scenes_is_in_training() -> None:
    def codes(split: str) -> set[tuple[int, ...]]:
        return {tuple(row) for row in combinations(split).tolist()}

    train, held_out = codes("train"), codes("held-out")
    assert not train & held_out
    assert len(train | held_out) == 12 * 6 * 7 * 5
    for split, allowed in (("train", train), ("held-out", held_out)):
        scenes = sample_scenes(2000, seed=5, split=split)
        assert {tuple(row) for row in torch.stack(list(scenes.attributes().values()), 1).tolist()} <= allowed


def test_every_class_is_in_both_splits() -> None:
    for split in ("train", "held-out"):
        rows = combinations(split)
        for column, words in enumerate(ATTRIBUTES.values()):
            assert rows[:, column].unique().tolist() == list(range(len(words)))


def test_a_seed_gives_one_world() -> None:
    a, b = (render_clip(sample_scenes(2, seed=3), 4) for _ in range(2))
    assert torch.equal(a.frames, b.frames)
    assert not torch.equal(a.frames, render_clip(sample_scenes(2, seed=4), 4).frames)


def test_ranges() -> None:
    drawn = render(sample_scenes(64, seed=1, split="all"), torch.arange(64.0))
    for values in (drawn.frames, drawn.depth, drawn.mask):
        assert 0 <= float(values.min()) < float(values.max()) <= 1
    covered = (drawn.mask > 0.5).float().mean((1, 2, 3))
    assert float(covered.min()) > 0.03 and float(covered.max()) < 0.5


@pytest.mark.parametrize("motion", MOTIONS)
def test_flow_carries_each_frame_onto_the_next(motion: str) -> None:
    """Fetching from frame f + 1 along the flow gives frame f wherever nothing is covered or uncovered."""
    scenes = sample_scenes(400, seed=11).edited(style="plain")
    scenes = scenes[scenes.motion == MOTIONS.index(motion)][:12]
    for index in range(len(scenes)):
        clip = render_clip(scenes[index], 3)
        for f in range(2):
            still = (clip.frames[f + 1] - clip.frames[f]).abs()
            moved = fetched(clip.frames[f + 1], clip.flow[f])
            mask_next = fetched(clip.mask[f + 1], clip.flow[f])
            steady = ((clip.mask[f] - mask_next).abs() < 0.02) & clear_of_edges(clip.mask[f])
            error = (moved - clip.frames[f]).abs()[:, steady[0]].mean()
            assert float(error) < 0.02
            assert float(error) <= float(still[:, steady[0]].mean()) + 0.004


def fetched(picture: torch.Tensor, flow: torch.Tensor) -> torch.Tensor:
    """picture at (x, y) + flow, by bilinear interpolation."""
    n = picture.shape[-1]
    y, x = torch.meshgrid(torch.arange(n), torch.arange(n), indexing="ij")
    grid = torch.stack([x + flow[0], y + flow[1]], dim=-1)
    return F.grid_sample(
        picture[None], ((grid + 0.5) * 2 / n - 1)[None], padding_mode="border", align_corners=False
    )[0]


def clear_of_edges(mask: torch.Tensor) -> torch.Tensor:
    """Pixels off the border whose neighbourhood is all object or all background (shadows reach far)."""
    near = F.max_pool2d(mask[None], 7, 1, 3)[0] - -F.max_pool2d(-mask[None], 7, 1, 3)[0]
    inside = F.pad(torch.ones(56, 56), (4, 4, 4, 4))[None] > 0
    return (near < 0.02) & inside


def test_the_object_is_nearer_than_what_is_behind() -> None:
    drawn = render(sample_scenes(32, seed=2), torch.zeros(32))
    front = drawn.mask > 0.5
    for index in range(32):
        assert drawn.depth[index][front[index]].min() > drawn.depth[index][~front[index]].max()


def test_larger_is_nearer() -> None:
    scenes = sample_scenes(64, seed=2)
    depth = render(scenes, torch.zeros(64)).depth.amax((1, 2, 3))
    assert torch.equal(depth.argsort(), scenes.size.argsort())


def test_the_true_edit_changes_the_colour_and_nothing_else() -> None:
    scenes = sample_scenes(16, seed=8).edited(style="plain", colour="red")
    before, after = (
        render(scenes, torch.full((16,), 3.0)),
        render(scenes.edited(colour="blue"), torch.full((16,), 3.0)),
    )
    assert torch.equal(before.mask, after.mask)
    assert torch.equal(before.depth, after.depth)
    assert torch.equal(before.flow, after.flow)
    outside = (before.mask == 0).expand(-1, 3, -1, -1)
    assert torch.equal(before.frames[outside], after.frames[outside])
    inside = before.mask[:, 0] > 0.9
    red, blue = (drawn.frames.permute(0, 2, 3, 1)[inside].mean(0) for drawn in (before, after))
    assert red[0] > red[2] and blue[2] > blue[0]


def test_the_true_edit_of_the_background_leaves_the_object() -> None:
    scenes = sample_scenes(16, seed=8).edited(style="plain", background="sky")
    before, after = (render(s, torch.zeros(16)) for s in (scenes, scenes.edited(background="grass")))
    inside = (before.mask > 0.999).expand(-1, 3, -1, -1)
    assert torch.allclose(before.frames[inside], after.frames[inside], atol=2e-3)
    assert not torch.allclose(before.frames, after.frames, atol=0.1)


def test_objects_stay_inside_clips_of_any_length() -> None:
    for t in (0.0, 100.0, 5000.0):
        drawn = render(sample_scenes(32, seed=4), torch.full((32,), t))
        weight = drawn.mask[:, 0] / drawn.mask[:, 0].sum((1, 2), keepdim=True)
        centre_x = (weight.sum(1) * torch.arange(64)).sum(1)
        assert float(centre_x.min()) > 10 and float(centre_x.max()) < 54


def test_fold_is_a_ball_between_walls() -> None:
    x = torch.tensor([0.0, 1.0, 2.0, 3.0, 4.0, 5.0, -1.0])
    assert fold(x, 1.0, 3.0).tolist() == [2.0, 1.0, 2.0, 3.0, 2.0, 1.0, 3.0]


def test_unknown_words_are_refused() -> None:
    scenes = sample_scenes(1, seed=0)
    with pytest.raises(InputError, match="no colour 'pink'; choose from red"):
        scenes.edited(colour="pink")
    with pytest.raises(InputError, match="choose from noun, colour"):
        scenes.edited(taste="sweet")
