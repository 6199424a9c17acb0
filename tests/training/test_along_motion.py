"""Tokens along the motion, against loops in float64; what moves as it should costs nothing."""

import numpy as np
import pytest
import torch
from torch import Tensor

from frameweave.diffusion.losses import L_temporal
from frameweave.errors import InputError
from frameweave.training.along_motion import followed


def fetched(picture: np.ndarray, y: float, x: float) -> np.ndarray:
    """Bilinear, with the rim going on beyond the picture: h w C at one place."""
    height, width = picture.shape[:2]
    y, x = min(max(y, 0), height - 1), min(max(x, 0), width - 1)
    top, left = min(int(y), height - 2), min(int(x), width - 2)
    dy, dx = y - top, x - left
    upper = (1 - dx) * picture[top, left] + dx * picture[top, left + 1]
    lower = (1 - dx) * picture[top + 1, left] + dx * picture[top + 1, left + 1]
    return (1 - dy) * upper + dy * lower


def written_out(F_g: Tensor, motion: Tensor, halved: int) -> tuple[np.ndarray, np.ndarray]:
    """Moved features and weights, loop by loop; each cell of the layer is `halved` latents long."""
    clips, frames, tokens, width = F_g.shape
    side = round(tokens**0.5)
    moved = np.zeros((clips, frames - 1, side, side, width))
    weights = np.zeros((clips, frames - 1, side, side))
    for g, t, y, x in np.ndindex(clips, frames - 1, side, side):
        picture = F_g[g, t + 1].double().numpy().reshape(side, side, width)
        part = motion[g, t, :, y * halved : (y + 1) * halved, x * halved : (x + 1) * halved].double().numpy()
        weight = part[2]
        flow = [(weight * part[k]).sum() / max(weight.sum(), 1e-12) / halved for k in (0, 1)]
        there = y + flow[1], x + flow[0]
        moved[g, t, y, x] = fetched(picture, *there)
        inside = all(-0.5 < place < side - 0.5 for place in there)
        weights[g, t, y, x] = weight.mean() * inside
    return moved.reshape(clips, frames - 1, tokens, width), weights.reshape(clips, frames - 1, tokens)


@pytest.mark.parametrize("halved", [1, 2, 4])
def test_tokens_are_moved_as_a_loop_moves_them(halved: int) -> None:
    rng = torch.Generator().manual_seed(0)
    side = 8 // halved
    F_g = torch.randn(2, 3, side * side, 5, generator=rng)
    motion = torch.cat(
        [4 * torch.randn(2, 2, 2, 8, 8, generator=rng), torch.rand(2, 2, 1, 8, 8, generator=rng).round()], 2
    )
    found = followed(F_g, motion)
    moved, weight = written_out(F_g, motion, halved)
    seen = torch.from_numpy(weight > 0)
    assert torch.allclose(found.weight.double(), torch.from_numpy(weight), atol=1e-6)
    assert torch.allclose(found.F_next.double()[seen], torch.from_numpy(moved)[seen], atol=1e-5)
    assert 0 < float(seen.float().mean()) < 1


def of_shift(picture: Tensor, steps: list[int]) -> Tensor:
    """The features of a clip whose picture (h w C) goes so far to the right in each frame, from the first."""
    return torch.stack([picture.roll(step, 1).flatten(0, 1) for step in steps])[None]


def moving_right(frames: int, cells: list[int], side: int = 8) -> Tensor:
    """The motion of a source that goes so many cells to the right from each frame to the next."""
    motion = torch.zeros(1, frames - 1, 3, side, side)
    motion[0, :, 0] = torch.tensor(cells, dtype=torch.float32)[:, None, None]
    motion[:, :, 2] = 1
    return motion


def test_a_picture_that_moves_as_its_source_costs_nothing_and_a_still_one_does() -> None:
    picture = torch.randn(8, 8, 6, generator=torch.Generator().manual_seed(1))
    source = moving_right(4, [1, 2, 1])
    moves, still = of_shift(picture, [0, 1, 3, 4]), of_shift(picture, [0, 0, 0, 0])

    def loss(F_g: Tensor, first_order: float) -> float:
        return float(L_temporal(F_g, first_order_weight=first_order, followed=followed(F_g, source)))

    for first_order in (0.0, 1.0):  # Eq. 3 alone, too: a steady picture's similarity changes with the speed
        assert loss(moves, first_order) == pytest.approx(0, abs=1e-9)
        assert loss(still, first_order) > 1e-4
    by_place = [float(L_temporal(F_g, first_order_weight=1.0)) for F_g in (moves, still)]
    assert by_place[1] == pytest.approx(0, abs=1e-6) and by_place[0] > 0.5  # the published form: the reverse


def test_a_layer_of_another_shape_is_told() -> None:
    with pytest.raises(InputError, match="a layer of 50 tokens for latents of 8 x 8"):
        followed(torch.zeros(1, 3, 50, 4), torch.zeros(1, 2, 3, 8, 8))
