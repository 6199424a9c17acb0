"""Slices and grids, on clips whose pixels are known."""

import torch

from frameweave.video.clip import Clip
from frameweave.video.pictures import grid, xt_slice


def test_a_slice_is_the_middle_row_of_every_frame() -> None:
    frames = torch.rand(5, 3, 7, 9)
    picture = xt_slice(frames)
    assert picture.shape == (3, 5, 9)
    for f in range(5):
        assert torch.equal(picture[:, f], frames[f, :, 3])


def test_a_grid_shows_every_clip_in_its_place() -> None:
    colours = [
        torch.tensor(rgb).reshape(1, 3, 1, 1).expand(4, 3, 8, 8)
        for rgb in ((1.0, 0, 0), (0, 1.0, 0), (0, 0, 1.0))
    ]
    sheet = grid([(name, Clip.of(frames)) for name, frames in zip("abc", colours, strict=True)], columns=2)
    assert len(sheet) == 4
    frame = sheet.frames[0]
    height, width = frame.shape[1] // 2, frame.shape[2] // 2
    assert frame[:, height - 8, width // 2].tolist() == [1, 0, 0]
    assert frame[:, height - 8, width + width // 2].tolist() == [0, 1, 0]
    assert frame[:, 2 * height - 8, width // 2].tolist() == [0, 0, 1]
