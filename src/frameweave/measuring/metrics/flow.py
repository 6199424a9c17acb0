"""Warp error: how much an edited clip changes along the motion of its source."""

from collections.abc import Iterator
from itertools import pairwise

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from frameweave.measuring.metrics.base import Case, Frames, Metric
from frameweave.measuring.metrics.registry import Networks

_TOLERANCE = 1.0  # pixels that forward and backward flow may disagree


def moved_back(
    after: Float[Tensor, "N C H W"], flow: Float[Tensor, "N 2 H W"]
) -> tuple[Float[Tensor, "N C H W"], Bool[Tensor, "N 1 H W"]]:
    """What later frames show where each pixel's content has gone, and where that lies inside of them."""
    height, width = flow.shape[2:]
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    target = torch.stack([x, y]).to(flow) + flow
    scale = torch.tensor([width, height]).to(flow)
    grid = (target.permute(0, 2, 3, 1) + 0.5) * 2 / scale - 1
    inside = (grid.abs() < 1).all(-1)[:, None]
    return F.grid_sample(after, grid, padding_mode="border", align_corners=False), inside


def warp_error(
    frames: Frames,
    flow: Float[Tensor, "F_minus_1 2 H W"],
    visible: Bool[Tensor, "F_minus_1 1 H W"],
) -> float:
    """Mean |frame f - frame f+1 moved back along the flow|, in [0, 1], where the content stays visible.

    NaN when it is visible nowhere.
    """
    back, inside = moved_back(frames[1:], flow)
    seen = (visible & inside).to(frames)
    difference = (frames[:-1] - back).abs()
    count = float(seen.sum()) * frames.shape[1]
    return float((difference * seen).sum()) / count if count else float("nan")


def estimated_flow(
    frames: Frames,
) -> tuple[Float[Tensor, "F_minus_1 2 H W"], Bool[Tensor, "F_minus_1 1 H W"]]:
    """Optical flow to the next frame by Farnebäck's method, and where the flow back agrees with it."""
    grey = [_grey(frame) for frame in frames]
    forward = torch.stack([_farneback(a, b) for a, b in pairwise(grey)])
    backward = torch.stack([_farneback(b, a) for a, b in pairwise(grey)])
    returned, inside = moved_back(backward, forward)
    visible = inside & ((forward + returned).norm(dim=1, keepdim=True) < _TOLERANCE)
    return forward, visible


def _grey(frame: Float[Tensor, "3 H W"]) -> np.ndarray:
    pixels = (frame.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).cpu().numpy()
    return np.asarray(cv2.cvtColor(np.ascontiguousarray(pixels), cv2.COLOR_RGB2GRAY))


def _farneback(a: np.ndarray, b: np.ndarray) -> Float[Tensor, "2 H W"]:
    field = cv2.calcOpticalFlowFarneback(
        a, b, np.zeros((*a.shape, 2), np.float32), pyr_scale=0.5, levels=3, winsize=11, iterations=5,
        poly_n=5, poly_sigma=1.1, flags=0,
    )  # fmt: skip
    return torch.from_numpy(np.asarray(field, np.float32)).permute(2, 0, 1)


def _flow(case: Case, *, true_flow: bool) -> tuple[Tensor, Tensor]:
    """The source's flow, and where its content stays visible: known, or estimated."""
    if true_flow and case.flow is not None and case.visible is not None:
        return case.flow, case.visible
    assert case.source is not None
    return case.source.once("farneback", estimated_flow)


def warp_error_metric(*, true_flow: bool) -> Metric:
    """Along the true flow where it is known, else along that estimated from the source."""
    return Metric(
        name="warp_error",
        title=f"Warp error [{'true flow' if true_flow else 'Farnebäck flow'}]",
        better="lower",
        digits=4,
        definition="Mean absolute difference of neighbouring frames along the source's motion, in [0, 1], "
        "where the content stays visible.",
        needs=frozenset({"neighbours", "flow"}),
        measure=lambda case: warp_error(case.edited.frames, *_flow(case, true_flow=true_flow)),
        parameters=_parameters(true_flow=true_flow),
        place=10,
        headline=True,
    )


def _parameters(*, true_flow: bool) -> str:
    return "true flow" if true_flow else "farneback"


def flow_share_metric(*, true_flow: bool) -> Metric:
    """Share of the pixels on which the warp error rests: a small one is a weak foundation."""

    def measure(case: Case) -> float:
        flow, visible = _flow(case, true_flow=true_flow)
        _, inside = moved_back(case.edited.frames[1:], flow)
        return float((visible & inside).float().mean())

    return Metric(
        name="flow_share",
        title="Pixels behind the warp error",
        better="none",
        digits=3,
        definition="Share of the pixels whose content is followed to the next frame; alike for all edits.",
        needs=frozenset({"neighbours", "flow"}),
        measure=measure,
        parameters=_parameters(true_flow=true_flow),
        place=100,
    )


def metrics(networks: Networks) -> Iterator[Metric]:
    """Both, along the true flow where clips show the world."""
    true_flow = networks.judge is not None
    yield warp_error_metric(true_flow=true_flow)
    yield flow_share_metric(true_flow=true_flow)
