"""Runs of frames cover every frame, end with the clip, and blend to the truth."""

from itertools import pairwise

import pytest
import torch
from torch import Tensor

from frameweave.diffusion.contexts import blended, contexts
from frameweave.errors import InputError


@pytest.mark.parametrize("frames", [1, 2, 7, 8, 9, 31, 100])
@pytest.mark.parametrize(("length", "overlap"), [(8, 0), (8, 3), (8, 7), (1, 0)])
def test_every_frame_is_covered_and_the_last_run_ends_with_the_clip(
    frames: int, length: int, overlap: int
) -> None:
    parts = contexts(frames, length, overlap)
    assert {k for part in parts for k in range(part.start, part.stop)} == set(range(frames))
    assert parts[-1].stop == frames
    assert all(part.stop - part.start == min(length, frames) for part in parts)
    assert all(a.stop - b.start >= overlap for a, b in pairwise(parts))


def test_what_does_not_depend_on_the_run_is_kept() -> None:
    x = torch.randn(13, 2, 3, 3, dtype=torch.float64)
    eps = blended(lambda _part, own, t: own * t, 13, 5, 2)
    torch.testing.assert_close(eps(x, 3), 3 * x)


def test_by_hand() -> None:
    """Two runs of three share one frame, which both see at their rim: the plain mean."""

    def eps(part: slice, own: Tensor, _t: int) -> Tensor:
        return torch.full_like(own, float(part.start))

    found = blended(eps, 5, 3, 1)(torch.zeros(5, 1, 1, 1), 0)
    assert found.flatten().tolist() == [0.0, 0.0, 1.0, 2.0, 2.0]


def test_too_much_overlap_is_refused() -> None:
    with pytest.raises(InputError, match="context_overlap 4 with context_length 4, expected 0 to 3"):
        contexts(10, 4, 4)
