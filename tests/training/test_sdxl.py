"""Training on SDXL: each sample has its own pooled text, and the frames are told their size."""

from pathlib import Path

import pytest
import torch

from frameweave.data.encoded import CachedGroups
from frameweave.models.loading.load import load
from frameweave.models.stable_diffusion import StableDiffusion
from frameweave.training.batches import Batches
from frameweave.training.denoising import Denoiser
from frameweave.training.options import TrainOptions
from frameweave.world.groups import WorldGroups

OPTIONS = TrainOptions(batch=2, accumulate=1, depth_control=False, text_drop=0.0)


@pytest.fixture
def model(tiny_xl_folder: Path) -> StableDiffusion:
    return load(str(tiny_xl_folder), device="cpu")


def batches(model: StableDiffusion, folder: Path, options: TrainOptions) -> Batches:
    groups = CachedGroups(WorldGroups(4, frames=3), model, None, folder, 32, depth=False)
    return Batches(groups, model, options, (0.0, 1.0), timesteps=2)


def test_each_sample_is_predicted_under_its_own_pooled_text(model: StableDiffusion, tmp_path: Path) -> None:
    made = batches(model, tmp_path, OPTIONS)
    batch = made(0)
    groups, times, frames = batch.shape
    assert (groups, times, frames) == (2, 2, 3)
    assert batch.pooled.shape == (12, 40)
    first, second = batch.pooled[:6], batch.pooled[6:]
    assert torch.equal(first, first[:1].expand(6, -1))
    assert not torch.equal(first, second)
    sizes = torch.tensor([32.0, 32, 0, 0, 32, 32]).expand(12, -1)
    added = {"text_embeds": batch.pooled, "time_ids": sizes}
    with torch.no_grad():
        expected = model.unet(batch.x_t, batch.t, batch.text, added_cond_kwargs=added).sample
        found = Denoiser(model, OPTIONS, None)(batch, batch.text)
    assert torch.allclose(found, expected, atol=1e-5)


def test_a_dropped_text_is_what_guidance_leads_away_from(model: StableDiffusion, tmp_path: Path) -> None:
    batch = batches(model, tmp_path, OPTIONS.replaced(text_drop=1.0))(0)
    assert not batch.text.any()
    assert not batch.pooled.any()


def test_other_models_have_no_pooled_text(tiny: StableDiffusion, tmp_path: Path) -> None:
    batch = batches(tiny, tmp_path, OPTIONS)(0)
    assert batch.pooled.shape == (12, 0)
    assert Denoiser(tiny, OPTIONS, None)(batch, batch.text).shape == batch.x_t.shape
