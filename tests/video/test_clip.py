"""Frames in memory: what are none is told, before a white or a black video is written."""

from typing import Any

import numpy as np
import pytest
import torch

from frameweave.errors import InputError
from frameweave.video.clip import check_frames

FRAMES = torch.rand(2, 3, 8, 8)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (
            (FRAMES * 255).byte(),
            "frames of torch.uint8, expected a tensor of floats.*bytes are divided by 255",
        ),
        (FRAMES.numpy(), "frames of ndarray"),
        ([FRAMES[0]], "frames of list"),
        (FRAMES * 255, "frames with values from .* to 2.*, expected 0 to 1"),
        (FRAMES * 2 - 1, "frames with values from -0.9"),
        (FRAMES * torch.nan, "values from nan to nan"),
        (FRAMES[0], r"shape \(3, 8, 8\), expected \(frames, 3, H, W\)"),
        (FRAMES.permute(0, 2, 3, 1), r"shape \(2, 8, 8, 3\)"),
        (torch.rand(2, 4, 8, 8), r"shape \(2, 4, 8, 8\)"),
        (FRAMES[:0], r"shape \(0, 3, 8, 8\)"),
    ],
)
def test_what_are_no_frames_is_told(wrong: Any, told: str) -> None:
    with pytest.raises(InputError, match=told):
        check_frames(wrong)


def test_scaled_frames_pass() -> None:
    check_frames(FRAMES.half())
    sharp = torch.from_numpy(np.indices((16, 16)).sum(0) // 4 % 2).float().expand(1, 3, 16, 16)
    bigger = torch.nn.functional.interpolate(sharp, (40, 40), mode="bicubic", align_corners=False)
    assert bigger.min() < 0 and bigger.max() > 1
    check_frames(bigger)
