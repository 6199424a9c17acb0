"""The structure distance on small DINO networks, against keys that are computed by hand."""

from pathlib import Path

import pytest
import torch
from transformers import Dinov2Config, Dinov2Model, ViTConfig, ViTModel

from frameweave.errors import ModelFolderError
from frameweave.measuring.metrics.backbones.dino import Dino, hub_dino, normalised, whole
from frameweave.measuring.metrics.base import Case, Looked
from frameweave.measuring.metrics.structure import self_similarity, structure_metric

SMALL = dict(hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32)


def small_dino(folder: Path) -> Path:
    """A network of the first kind, 32 pixels in parts of 8."""
    torch.manual_seed(0)
    config = ViTConfig(**SMALL, image_size=32, patch_size=8, initializer_range=0.2)
    ViTModel(config, add_pooling_layer=False).save_pretrained(folder)
    return folder


@pytest.fixture
def dino(tmp_path: Path) -> Dino:
    return hub_dino(str(small_dino(tmp_path / "dino")))


def test_keys_are_those_of_the_last_layer(dino: Dino) -> None:
    frames = torch.rand(2, 3, 32, 32)
    model = dino.model
    assert isinstance(model, ViTModel)
    with torch.no_grad():
        states = model(pixel_values=normalised(frames), output_hidden_states=True).hidden_states
        last = model.layers[-1] if hasattr(model, "layers") else model.encoder.layer[-1]
        before = last.layernorm_before(states[1])
        weights = dict(last.named_parameters())
        (name,) = (one for one in weights if one.endswith(("k_proj.weight", "key.weight")))
        bias = weights[name.replace("weight", "bias")]
        by_hand = before @ weights[name].T + bias
    assert torch.allclose(dino.keys(frames), by_hand, atol=1e-5)
    assert dino.keys(frames).shape == (2, 1 + 16, 16)


def test_the_distance_by_hand(dino: Dino) -> None:
    a, b = torch.rand(2, 3, 32, 32), torch.rand(2, 3, 32, 32)
    metric = structure_metric(dino)
    assert metric.measure(Case(edited=Looked(a), source=Looked(a))) == 0
    expected = 0.0
    for keys, others in zip(dino.keys(a), dino.keys(b), strict=True):
        for one in range(len(keys)):
            for two in range(len(keys)):
                cosines = [torch.cosine_similarity(x[one], x[two], dim=0) for x in (keys, others)]
                expected += float(cosines[0] - cosines[1]) ** 2 / len(keys) ** 2 / 2
    assert metric.measure(Case(edited=Looked(a), source=Looked(b))) == pytest.approx(expected, rel=1e-4)
    assert torch.allclose(self_similarity(torch.eye(3)), torch.eye(3))


@pytest.mark.parametrize(
    ("size", "fitted"), [((20, 30), (32, 48)), ((90, 45), (64, 32)), ((20, 100), (13, 68))]
)
def test_pictures_of_any_shape_are_fitted(dino: Dino, size: tuple[int, int], fitted: tuple[int, int]) -> None:
    """The shorter side is 32, unless the longer one passed 68 = 32 x 480 / 224."""
    frames = torch.rand(1, 3, *size)
    assert whole(frames, 32).shape[2:] == fitted
    assert dino.keys(frames).shape[1] == 1 + (fitted[0] // 8) * (fitted[1] // 8)


def test_the_second_kind_is_taken_and_others_are_refused(tmp_path: Path, published_folder: Path) -> None:
    torch.manual_seed(0)
    Dinov2Model(Dinov2Config(**SMALL, image_size=28, patch_size=14)).save_pretrained(tmp_path / "second")
    found = hub_dino(str(tmp_path / "second"))
    assert found.id.startswith("second-") and found.keys(torch.rand(1, 3, 40, 28)).shape == (1, 1 + 2 * 2, 16)
    with pytest.raises(ModelFolderError, match="a clip, expected a vit or dinov2") as error:
        hub_dino(str(published_folder / "clip"))
    assert "--dino-model" in error.value.hint
