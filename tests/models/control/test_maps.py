"""Pictures that steer, against OpenCV itself and against what they must show."""

import cv2
import numpy as np
import pytest
import torch

from frameweave.models.control.maps import MADE, made_map


def square() -> torch.Tensor:
    """A dark blue square on a light ground."""
    frames = torch.full((2, 3, 32, 32), 0.9)
    frames[:, :, 8:24, 8:24] = torch.tensor([0.1, 0.1, 0.6])[:, None, None]
    return frames


def test_canny_is_that_of_opencv_in_rgb() -> None:
    frames = torch.rand(2, 3, 24, 32, generator=torch.Generator().manual_seed(1))
    found = made_map("canny", frames)
    for one, frame in zip(found, frames, strict=True):
        pixels = np.ascontiguousarray((frame * 255).round().byte().permute(1, 2, 0).numpy())
        assert (one[0] * 255 == torch.from_numpy(cv2.Canny(pixels, 100, 200))).all()


@pytest.mark.parametrize("kind", ["canny", "lineart", "scribble"])
def test_edges_are_white_on_black(kind: str) -> None:
    found = made_map(kind, square())
    assert found.shape == (2, 1, 32, 32) and torch.equal(found[0], found[1])
    assert float(found.min()) >= 0 and float(found.max()) <= 1
    edge, far = found[0, 0, 7:10, 12:20].max(), found[0, 0, :3, :].max()
    assert edge > 0.9 and far < 0.1


def test_a_tile_is_the_picture_itself() -> None:
    assert torch.equal(made_map("tile", square()), square())


@pytest.mark.parametrize("kind", sorted(MADE))
def test_a_flat_picture_has_no_edges(kind: str) -> None:
    if kind != "tile":
        assert float(made_map(kind, torch.full((1, 3, 16, 16), 0.3)).max()) == 0
