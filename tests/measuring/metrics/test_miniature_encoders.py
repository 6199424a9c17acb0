"""The Miniature's networks as backbones: the judge's own answers, one look for all, any size."""

import torch

from frameweave.measuring.metrics.miniature_encoders import judge_trunk, miniature_clip
from frameweave.miniature.judge import packaged_judge
from frameweave.world.render import render_clip
from frameweave.world.scene import sample_scenes


def test_one_look_gives_what_the_judge_says_itself() -> None:
    frames = render_clip(sample_scenes(1, seed=3), 3).frames
    trunk, judge = judge_trunk(), packaged_judge()
    looks: list[int] = []
    hook = trunk.judge.trunk[0].register_forward_hook(lambda *_: looks.append(1))
    try:
        chances, features, stages = trunk.log_chances(frames), trunk.features(frames), trunk.stages(frames)
    finally:
        hook.remove()
    assert len(looks) == 1
    with torch.no_grad():
        expected = judge(frames)
    for name, logits in expected.items():
        assert torch.allclose(chances[name], logits.log_softmax(1), atol=1e-6)
    assert features.shape == (3, trunk.width) and len(stages) == 4
    assert torch.allclose(features[:, :128] * 0.58, stages[-1].mean((2, 3)), atol=1e-6)


def test_means_and_maxima_weigh_alike() -> None:
    frames = render_clip(sample_scenes(64, seed=3), 1).frames
    means, maxima = judge_trunk().features(frames).square().chunk(2, dim=1)
    assert 0.5 < float(means.mean()) < 2 and 0.5 < float(maxima.mean()) < 2


def test_other_frames_of_the_same_shape_are_looked_at_anew() -> None:
    trunk = judge_trunk()
    a, b = torch.rand(2, 1, 3, 64, 64)
    assert not torch.allclose(trunk.features(a), trunk.features(b))
    assert torch.equal(trunk.features(a), judge_trunk().features(a.clone()))


def test_pictures_of_any_size_and_words_are_unit_vectors() -> None:
    clip = miniature_clip()
    for size in ((64, 64), (40, 90)):
        found = clip.pictures(torch.rand(2, 3, *size))
        assert torch.allclose(found.norm(dim=1), torch.ones(2), atol=1e-5)
    assert torch.allclose(clip.words("a red car").norm(), torch.ones(()), atol=1e-5)
