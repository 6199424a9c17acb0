"""Depth maps: one scale per clip, sizes kept, and what is not a depth model."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    DepthAnythingConfig,
    DepthAnythingForDepthEstimation,
    Dinov2Config,
    DPTImageProcessorPil,
    GLPNConfig,
    GLPNForDepthEstimation,
)

from frameweave.errors import ModelFolderError, OutOfMemory
from frameweave.models.depth import load, per_clip


def test_one_scale_for_the_whole_clip() -> None:
    depth = torch.tensor([[1.0, 2.0], [3.0, 5.0]]).reshape(2, 1, 1, 2)
    assert per_clip(depth).flatten().tolist() == [0.0, 0.25, 0.5, 1.0]


def test_flat_depth_is_no_division_by_zero() -> None:
    assert torch.equal(per_clip(torch.ones(2, 1, 3, 3)), torch.zeros(2, 1, 3, 3))


def test_sizes_are_those_of_the_frames(tiny_folder: Path) -> None:
    estimator = load(str(tiny_folder), device="cpu")
    assert estimator is not None
    depth = estimator.estimate(torch.rand(3, 3, 40, 24))
    assert depth.shape == (3, 1, 40, 24)
    assert float(depth.min()) == 0.0
    assert float(depth.max()) == 1.0


def test_a_model_without_an_estimator(tmp_path: Path) -> None:
    assert load(str(tmp_path)) is None


def test_what_is_no_depth_model(tiny_folder: Path) -> None:
    with pytest.raises(ModelFolderError, match="not a depth estimator"):
        load(str(tiny_folder), str(tiny_folder / "unet"), device="cpu")


def save_depth_anything(folder: Path, **settings: Any) -> None:
    """A tiny Depth Anything with random weights, and its preprocessing, as on the hub."""
    torch.manual_seed(0)
    model = Dinov2Config(
        hidden_size=16,
        num_hidden_layers=4,
        num_attention_heads=2,
        image_size=42,
        patch_size=14,
        out_indices=[1, 2, 3, 4],
        reshape_hidden_states=False,
    )
    config = DepthAnythingConfig(
        backbone_config=model,
        reassemble_hidden_size=16,
        neck_hidden_sizes=[4, 8, 16, 16],
        fusion_hidden_size=8,
        head_hidden_size=8,
        **settings,
    )
    network = DepthAnythingForDepthEstimation(config).eval()
    for weight in network.head.parameters():  # random heads end below zero, where all depth is flat
        weight.data.abs_()
    network.save_pretrained(folder)
    DPTImageProcessorPil(
        size={"height": 42, "width": 42},
        keep_aspect_ratio=True,
        ensure_multiple_of=14,
        image_mean=[0.485, 0.456, 0.406],
        image_std=[0.229, 0.224, 0.225],
    ).save_pretrained(folder)
    return network


@pytest.mark.parametrize("size", [(60, 80), (80, 60), (48, 48)])
def test_pictures_are_prepared_as_the_model_s_own_processor_does(
    size: tuple[int, int], tmp_path: Path
) -> None:
    save_depth_anything(tmp_path)
    estimator = load("miniature", str(tmp_path), device="cpu")
    assert estimator is not None and not estimator.metric
    frames = torch.nn.functional.avg_pool2d(torch.rand(2, 3, *size), 9, 1, 4)
    frames = (frames * 255).round() / 255
    pictures = [(frame.permute(1, 2, 0) * 255).round().byte().numpy() for frame in frames]
    expected = DPTImageProcessorPil.from_pretrained(tmp_path)(pictures, return_tensors="pt").pixel_values
    seen: list[torch.Tensor] = []
    estimator.network.register_forward_pre_hook(lambda _module, given: seen.append(given[0]))
    assert estimator.raw(frames).shape == (2, 1, *size)
    assert seen[0].shape == expected.shape
    assert float((seen[0] - expected).abs().max()) < 0.06  # Pillow rounds to 255ths


def test_sizes_of_older_files_are_one_number(tmp_path: Path) -> None:
    save_depth_anything(tmp_path)
    file = tmp_path / "preprocessor_config.json"
    said = json.loads(file.read_text())
    expected = load("miniature", str(tmp_path), device="cpu")
    file.write_text(json.dumps(said | {"size": said["size"]["height"]}))
    found = load("miniature", str(tmp_path), device="cpu")
    assert found is not None and expected is not None and found.preprocessing == expected.preprocessing


@pytest.mark.parametrize(
    "said",
    [{"size": "x"}, {"size": [3]}, {"image_mean": 0.5}, {"image_mean": ["a"] * 3}, {"image_std": [0, 0, 0]}],
)
def test_preparations_that_make_no_sense_are_named(said: dict[str, Any], tmp_path: Path) -> None:
    save_depth_anything(tmp_path)
    file = tmp_path / "preprocessor_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | said))
    with pytest.raises(ModelFolderError, match="preprocessor_config.json: cannot be loaded"):
        load("miniature", str(tmp_path), device="cpu")


def test_kinds_that_give_distances_without_saying_so(tmp_path: Path) -> None:
    torch.manual_seed(0)
    config = GLPNConfig(
        hidden_sizes=[4, 4, 4, 4], depths=[1] * 4, decoder_hidden_size=4, num_attention_heads=[1] * 4
    )
    GLPNForDepthEstimation(config).save_pretrained(tmp_path)
    estimator = load("miniature", str(tmp_path), device="cpu")
    assert estimator is not None and estimator.metric


def test_batches_that_do_not_fit_are_halved(tiny_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    estimator = load(str(tiny_folder), device="cpu")
    assert estimator is not None
    whole, frames = type(estimator.network).forward, torch.rand(4, 3, 40, 24)
    expected = estimator.raw(frames)

    def small(self: Any, x: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        if len(x) > room:
            raise torch.OutOfMemoryError
        return whole(self, x, *args, **kwargs)

    monkeypatch.setattr(type(estimator.network), "forward", small)
    room = 1
    assert torch.allclose(estimator.raw(frames), expected, atol=1e-5)
    room = 0
    with pytest.raises(OutOfMemory, match="estimating depth"):
        estimator.raw(frames)


def test_distances_are_inverted(tmp_path: Path) -> None:
    save_depth_anything(tmp_path / "near", depth_estimation_type="metric", max_depth=20)
    estimator = load("miniature", str(tmp_path / "near"), device="cpu")
    assert estimator is not None and estimator.metric
    frames = torch.rand(1, 3, 42, 42)
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))
    with torch.no_grad():
        distance = estimator.network((frames - mean) / std).predicted_depth
    assert torch.allclose(estimator.raw(frames)[:, 0] * distance, torch.ones(1), atol=1e-3)
