"""CLIP models of any size: their own preparation, their scores, and names that tell weights apart."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import CLIPImageProcessor

from frameweave.errors import ModelFolderError
from frameweave.measuring.metrics.backbones.clip import HubClip, hub_clip
from frameweave.measuring.metrics.base import Case, Looked
from frameweave.measuring.metrics.clip_score import clip_metric


@pytest.fixture
def towers(published_folder: Path) -> HubClip:
    return hub_clip(str(published_folder / "clip"))


@pytest.mark.parametrize("size", [(48, 64), (90, 40), (32, 32), (20, 25)])
def test_frames_are_prepared_as_clips_own_processor_does(towers: HubClip, size: tuple[int, int]) -> None:
    # not noise: where the filter overshoots, theirs cuts off after each of two passes
    few = np.random.default_rng(0).integers(60, 196, (4, 5, 3), dtype=np.uint8)
    smooth = np.asarray(Image.fromarray(few).resize((size[1], size[0]), Image.Resampling.BICUBIC))
    processor = CLIPImageProcessor(size={"shortest_edge": 32}, crop_size=32)
    expected = torch.as_tensor(np.asarray(processor(Image.fromarray(smooth))["pixel_values"][0]))
    frames = torch.from_numpy(smooth.copy()).permute(2, 0, 1)[None] / 255
    found = towers.prepared(frames)[0]
    assert found.shape == (3, 32, 32)
    assert float((found - expected).abs().max()) < 0.03  # theirs rounds to 8 bits in between


def test_scores_are_cosines_of_the_models_own_outputs(towers: HubClip) -> None:
    frames = torch.rand(2, 3, 32, 32)
    given = towers.tokenizer(["a red car"], padding="max_length", max_length=16, return_tensors="pt")
    with torch.no_grad():
        out = towers.model(**given, pixel_values=towers.prepared(frames))
    expected = 100 * float(out.logits_per_image.mean()) / float(towers.model.logit_scale.exp().detach())
    score = clip_metric(towers, "score").measure(Case(edited=Looked(frames), prompt="a red car"))
    assert score == pytest.approx(expected, abs=1e-3)


def test_long_prompts_are_cut_and_other_weights_have_other_names(towers: HubClip, tmp_path: Path) -> None:
    assert towers.words("a red car " * 50).shape == (8,)
    assert towers.id.startswith("clip-") and len(towers.id) == len("clip-") + 6
    again = hub_clip.__wrapped__(towers.model.name_or_path)
    assert again.id == towers.id
    with torch.no_grad():
        again.model.logit_scale += 1
    again.model.save_pretrained(tmp_path)
    towers.tokenizer.save_pretrained(tmp_path)
    assert hub_clip.__wrapped__(str(tmp_path)).id != towers.id


def test_a_model_that_is_nowhere_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(ModelFolderError) as error:
        hub_clip(str(tmp_path))
    assert "--clip-model" in error.value.hint
