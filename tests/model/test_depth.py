"""Depth maps: one scale per clip, sizes kept, and what is not a depth model."""

from pathlib import Path

import pytest
import torch

from frameweave.errors import ModelFolderError
from frameweave.model.depth import load, per_clip


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
