"""Distances in pixels: to the true edit, to the source outside of the edit, and between neighbours."""

from collections.abc import Callable, Iterator
from functools import cache
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from frameweave.measuring.metrics.base import Case, Frames, Looked, Metric, Need
from frameweave.measuring.metrics.registry import Networks

Kind = Literal["psnr", "ssim"]
Where = Literal["truth", "object", "outside"]
_WINDOW, _SIGMA = 11, 1.5  # of SSIM's Gaussian (Wang et al. 2004)
_C1, _C2 = 0.01**2, 0.03**2
_MOST = 100.0  # dB, for frames that are equal


def psnr(a: Frames, b: Frames, mask: Float[Tensor, "F 1 H W"] | None = None) -> Float[Tensor, " F"]:
    """Peak signal-to-noise ratio of each frame, in dB, at most 100; only where the mask is 1.

    The mask's area divides, so a large masked part does not count as right. NaN where it is empty.
    """
    weight = torch.ones_like(a[:, :1]) if mask is None else mask
    error = ((a - b).square() * weight).sum((1, 2, 3)) / (a.shape[1] * weight.sum((1, 2, 3)))
    return (-10 * torch.log10(error)).clamp(max=_MOST)


def ssim_map(a: Frames, b: Frames) -> Float[Tensor, "F 3 H W"]:
    """Structural similarity around each pixel (Wang et al. 2004), of frames in [0, 1]."""
    n = len(a)
    kernel = _gaussian(a.dtype)
    planes = torch.cat([a, b, a * a, b * b, a * b]).flatten(0, 1)[None]
    padded, count = F.pad(planes, (_WINDOW // 2,) * 4, mode="reflect"), planes.shape[1]
    kernel = kernel.to(a.device).expand(count, 1, -1)  # by channel: much faster than as many pictures
    rows = F.conv2d(padded, kernel[:, :, None, :], groups=count)
    means = F.conv2d(rows, kernel[:, :, :, None], groups=count).view(5 * n, *a.shape[1:])
    mean_a, mean_b, square_a, square_b, product = means.split(n)
    variances = square_a - mean_a**2 + square_b - mean_b**2
    covariance = product - mean_a * mean_b
    return ((2 * mean_a * mean_b + _C1) * (2 * covariance + _C2)) / (
        (mean_a**2 + mean_b**2 + _C1) * (variances + _C2)
    )


def ssim(a: Frames, b: Frames, mask: Float[Tensor, "F 1 H W"] | None = None) -> Float[Tensor, " F"]:
    """Mean structural similarity of each frame; only where the mask is 1. Frames of at least 6 pixels.

    NaN for smaller frames, and where the mask is empty.
    """
    if min(a.shape[2:]) <= _WINDOW // 2:
        return a.new_full((len(a),), float("nan"))
    similarity = ssim_map(a, b)
    if mask is None:
        return similarity.mean((1, 2, 3))
    return (similarity * mask).sum((1, 2, 3)) / (a.shape[1] * mask.sum((1, 2, 3)))


@cache
def _gaussian(dtype: torch.dtype) -> Float[Tensor, " window"]:
    x = torch.arange(_WINDOW, dtype=dtype) - _WINDOW // 2
    kernel = (-0.5 * (x / _SIGMA) ** 2).exp()
    return kernel / kernel.sum()


class _Part(NamedTuple):
    """What a pixel metric compares an edit with, and where."""

    title: str
    definition: str
    needs: frozenset[Need]
    of: Callable[[Case], tuple[Looked, Tensor | None]]


def _truth(case: Case) -> tuple[Looked, None]:
    assert case.truth is not None
    return case.truth, None


def _object(case: Case) -> tuple[Looked, Tensor]:
    assert case.truth is not None and case.object is not None
    return case.truth, case.object > 0.5


def _outside(case: Case) -> tuple[Looked, Tensor]:
    assert case.source is not None and case.mask is not None
    return case.source, case.mask < 0.5


_PARTS: dict[Where, _Part] = {
    "truth": _Part("to true edit", "to the perfect edit's", frozenset({"truth"}), _truth),
    "object": _Part(
        "to true edit on the object",
        "to the perfect edit's, only where its object is",
        frozenset({"truth", "object"}),
        _object,
    ),
    "outside": _Part(
        "outside the edited part",
        "to the source's, only where the edit should change nothing",
        frozenset({"source", "mask"}),
        _outside,
    ),
}


_PLACES: dict[tuple[Kind, Where], int] = {
    ("psnr", "truth"): 60,
    ("psnr", "object"): 110,
    ("ssim", "truth"): 120,
    ("psnr", "outside"): 130,
    ("ssim", "outside"): 140,
}


def pixel_metric(kind: Kind, part: Where) -> Metric:
    """PSNR or SSIM to the true edit, to that on its object, or to the source outside of the edited part."""
    formula: Callable[..., Tensor] = {"psnr": psnr, "ssim": ssim}[kind]
    chosen = _PARTS[part]

    def measure(case: Case) -> float:
        other, mask = chosen.of(case)
        if mask is None:
            return float(formula(case.edited.frames, other.frames).mean())
        shown = mask.flatten(1).any(1)  # frames of which the mask holds nothing do not count
        return float(formula(case.edited.frames, other.frames, mask.to(case.edited.frames))[shown].mean())

    title, unit = kind.upper(), " [dB]" if kind == "psnr" else ""
    digits, each = (2, "PSNR in dB") if kind == "psnr" else (4, "SSIM")
    return Metric(
        name=f"{kind}_{part}",
        title=f"{title} {chosen.title}{unit}",
        better="higher",
        digits=digits,
        definition=f"{each} of each frame {chosen.definition}, mean over frames.",
        needs=chosen.needs,
        measure=measure,
        place=_PLACES[kind, part],
        headline=(kind, part) == ("psnr", "truth"),
    )


def frame_difference(frames: Frames) -> Float[Tensor, ""]:
    """Mean absolute difference of neighbouring frames: motion and flicker alike."""
    return (frames[1:] - frames[:-1]).abs().mean()


FRAME_DIFFERENCE = Metric(
    name="frame_difference",
    title="Frame difference",
    better="none",
    digits=4,
    definition="Mean absolute difference of neighbouring frames, in [0, 1]: motion and flicker alike.",
    needs=frozenset({"neighbours"}),
    measure=lambda case: float(frame_difference(case.edited.frames)),
    place=180,
)


def metrics(networks: Networks) -> Iterator[Metric]:
    """PSNR and SSIM of each part, and frame differences; on the object alone where clips show the world."""
    for kind, part in _PLACES:
        if part != "object" or networks.judge is not None:
            yield pixel_metric(kind, part)
    yield FRAME_DIFFERENCE
