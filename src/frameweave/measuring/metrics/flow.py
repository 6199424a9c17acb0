"""Warp error: how much an edited clip changes along the motion of its source."""

from collections.abc import Iterator
from itertools import pairwise

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from frameweave.measuring.metrics.base import Case, Frames, Metric
from frameweave.measuring.metrics.registry import Networks
from frameweave.video.clip import picture_of
from frameweave.video.colours import Picture
from frameweave.video.motion.providers import farneback
from frameweave.video.motion.warp import moved_back

_TOLERANCE = 1.0  # pixels that forward and backward flow may disagree


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
    pictures = [picture_of(frame) for frame in frames]
    forward = torch.stack([_farneback(a, b) for a, b in pairwise(pictures)])
    backward = torch.stack([_farneback(b, a) for a, b in pairwise(pictures)])
    returned, inside = moved_back(backward, forward)
    visible = inside & ((forward + returned).norm(dim=1, keepdim=True) < _TOLERANCE)
    return forward, visible


def _farneback(a: Picture, b: Picture) -> Float[Tensor, "2 H W"]:
    return torch.from_numpy(farneback(a, b)).permute(2, 0, 1)


def source_flow(case: Case, *, true_flow: bool) -> tuple[Tensor, Tensor]:
    """The source's flow, and where its content stays visible: known, or estimated."""
    if true_flow and case.flow is not None and case.visible is not None:
        return case.flow, case.visible
    assert case.source is not None
    return case.source.once("farneback", estimated_flow)


def warp_error_metric(*, true_flow: bool) -> Metric:
    """Along the true flow where it is known, else along that estimated from the source."""
    return Metric(
        name="warp_error",
        title=f"Warp error [{flow_title(true_flow=true_flow)}]",
        better="lower",
        digits=4,
        definition="Mean absolute difference of neighbouring frames along the source's motion, in [0, 1], "
        "where the content stays visible.",
        needs=frozenset({"neighbours", "flow"}),
        measure=lambda case: warp_error(case.edited.frames, *source_flow(case, true_flow=true_flow)),
        parameters=flow_parameters(true_flow=true_flow),
        place=10,
        headline=True,
    )


def flow_title(*, true_flow: bool) -> str:
    """Where the flow comes from, for people."""
    return "true flow" if true_flow else "Farnebäck flow"


def flow_parameters(*, true_flow: bool) -> str:
    """The same for keys."""
    return "true flow" if true_flow else "farneback"


def flow_share_metric(*, true_flow: bool) -> Metric:
    """Share of the pixels on which the warp error rests: a small one is a weak foundation."""

    def measure(case: Case) -> float:
        flow, visible = source_flow(case, true_flow=true_flow)
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
        parameters=flow_parameters(true_flow=true_flow),
        place=100,
    )


def metrics(networks: Networks) -> Iterator[Metric]:
    """Both, along the true flow where clips show the world."""
    true_flow = networks.judge is not None
    yield warp_error_metric(true_flow=true_flow)
    yield flow_share_metric(true_flow=true_flow)
