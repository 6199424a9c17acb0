"""Long clips in overlapping runs of frames, blended at every timestep.

Co-denoising after Gen-L-Video (Wang et al., 2023, arXiv 2305.18264): each run predicts the noise
of its own frames, and where runs overlap the predictions are averaged. Unlike there, the last
run ends with the clip, so that every frame is covered.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from frameweave.diffusion.sampling import Eps
from frameweave.errors import InputError

ContextEps = Callable[[slice, Tensor, float], Tensor]
"""Predicts the noise of one run: its frames, their latents (frames first), the timestep."""


def contexts(frames: int, length: int, overlap: int) -> list[slice]:
    """Runs of `length` frames that share at least `overlap` with the next; one if they all fit.

    >>> contexts(10, 4, 1)
    [slice(0, 4, None), slice(3, 7, None), slice(6, 10, None)]
    >>> contexts(9, 4, 1)
    [slice(0, 4, None), slice(3, 7, None), slice(5, 9, None)]

    Raises `InputError` unless 0 <= overlap < length.
    """
    if not 0 <= overlap < length:
        raise InputError(
            f"context_overlap {overlap} with context_length {length}, expected 0 to {length - 1}",
            hint="give a smaller context_overlap",
        )
    if frames <= length:
        return [slice(0, frames)]
    starts = [*range(0, frames - length, length - overlap), frames - length]
    return [slice(start, start + length) for start in starts]


def blended(eps: ContextEps, frames: int, length: int, overlap: int) -> Eps:
    """The noise of a whole clip from runs of its frames; the middle of a run counts more than its rim."""
    parts = contexts(frames, length, overlap)
    if len(parts) == 1:
        return lambda x, t: eps(parts[0], x, t)

    def whole(x: Tensor, t: float) -> Tensor:
        total, weight = torch.zeros_like(x), x.new_zeros(len(x), *[1] * (x.dim() - 1))
        for part in parts:
            n = part.stop - part.start
            at = torch.arange(n, dtype=x.dtype, device=x.device)
            w = torch.minimum(at + 1, n - at).clamp(max=overlap + 1).view(-1, *weight.shape[1:])
            total[part] += w * eps(part, x[part], t)
            weight[part] += w
        return total / weight

    return whole
