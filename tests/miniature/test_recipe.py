"""The whole recipe, two steps a part: from nothing to a folder that loads and edits."""

from pathlib import Path

import pytest
import torch

from frameweave.editors.framewise import Framewise
from frameweave.editors.running import edit_clip
from frameweave.errors import InputError, RunError
from frameweave.miniature import denoiser, depth, judge, towers, vae
from frameweave.miniature.recipe import PLANS, Recipe
from frameweave.miniature.vae import standardised, world_frames
from frameweave.models.depth import load as load_depth
from frameweave.models.loading.load import load
from frameweave.models.stock import decoded, posterior
from frameweave.runs.atomic import verify
from frameweave.training.plan import Plan
from frameweave.video.clip import Clip

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Recipe:
    recipe = Recipe(tmp_path_factory.mktemp("training"), shards=1, shard=32)
    with pytest.MonkeyPatch.context() as patch:
        for part in (vae, towers, judge, depth):  # held-out figures of a model of two steps mean nothing
            patch.setattr(part, "HELD_OUT", 16)
        for part in (towers, judge, denoiser, depth):
            patch.setattr(part, "BATCH", 8)
        for name in PLANS:
            recipe.train(name, Plan(steps=2, warmup=1))
    return recipe


def test_the_folder_loads_and_edits(trained: Recipe, tmp_path: Path) -> None:
    trained.assemble(tmp_path / "model")
    assert verify(tmp_path / "model") == []
    assert verify(tmp_path / "stranger_judge") == []  # beside the model, whose files are what they were
    assert not (tmp_path / "model" / "stranger_judge").exists()
    model = load(str(tmp_path / "model"), device="cpu")
    assert model.controlnet is not None
    assert load_depth(str(tmp_path / "model"), device="cpu") is not None
    clip = Clip.of(torch.rand(2, 3, 64, 64))
    result = edit_clip(Framewise(steps=2), clip, "a red car", model, rng=torch.Generator())
    assert result.frames.shape == clip.frames.shape


def test_standardising_changes_latents_and_not_pictures(trained: Recipe) -> None:
    network = trained.vae(sharpened=False)
    frames = world_frames(64, (3, 3))
    with torch.no_grad():
        before = decoded(network, posterior(network, frames).mean)
        weight = network.quant_conv.weight
        weight[:4] *= 3.0
        after_scaling = standardised(network, 256)
        z = posterior(after_scaling, frames).mean
    assert float(z.mean((0, 2, 3)).abs().max()) < 0.3
    assert torch.allclose(z.std((0, 2, 3)), torch.ones(4), atol=0.3)
    assert before.shape == frames.shape


def test_sharpening_leaves_latents_alone(trained: Recipe) -> None:
    frames = world_frames(8, (3, 4))
    plain, sharp = trained.vae(sharpened=False), trained.vae()
    with torch.no_grad():
        assert torch.equal(posterior(plain, frames).mean, posterior(sharp, frames).mean)
        z = posterior(plain, frames).mean
        assert not torch.equal(decoded(plain, z), decoded(sharp, z))


def test_the_vision_tower_goes_on_alone(trained: Recipe) -> None:
    before, after = trained.clip("towers"), trained.clip("vision")
    same = [
        torch.equal(a, b)
        for a, b in zip(before.text_model.parameters(), after.text_model.parameters(), strict=True)
    ]
    assert all(same)
    assert not torch.equal(before.visual_projection.weight, after.visual_projection.weight)


def test_parts_come_in_order(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="vae is not trained yet; frameweave miniature train vae"):
        Recipe(tmp_path).train("unet")
    with pytest.raises(InputError, match="did you mean controlnet"):
        Recipe(tmp_path).train("control")
