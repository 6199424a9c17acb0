"""Slices, on clips whose pixels are known."""

import torch

from frameweave.video.pictures import xt_slice


def test_a_slice_is_the_middle_row_of_every_frame() -> None:
    frames = torch.rand(5, 3, 7, 9)
    picture = xt_slice(frames)
    assert picture.shape == (3, 5, 9)
    for f in range(5):
        assert torch.equal(picture[:, f], frames[f, :, 3])
