"""Motion alignment: how far an edited clip moves otherwise than its source."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from frameweave.measuring.metrics.base import Case, Frames, Metric
from frameweave.measuring.metrics.registry import Networks
from frameweave.video.clip import picture_of
from frameweave.video.motion.providers import dis


def flow_between(frames: Frames) -> Float[Tensor, "F_minus_1 2 H W"]:
    """How far each pixel's content moves until the next frame, as DIS sees it."""
    pictures = [picture_of(frame) for frame in frames]
    return torch.from_numpy(np.stack([dis(a, b) for a, b in pairwise(pictures)])).permute(0, 3, 1, 2)


def end_point_error(a: Float[Tensor, "N 2 H W"], b: Float[Tensor, "N 2 H W"]) -> float:
    """Mean length of the difference of two flows, over all pixels."""
    return float((a - b).norm(dim=1).mean())


def motion_alignment(case: Case) -> float:
    """The end-point error between the edited clip's flow and the source's, both seen by one provider."""
    assert case.source is not None
    own, source = (clip.once("dis", flow_between) for clip in (case.edited, case.source))
    return end_point_error(own, source)


def metrics(networks: Networks) -> Iterator[Metric]:
    """The one measure."""
    yield Metric(
        name="motion_alignment",
        title="Motion error in pixels [DIS flow]",
        better="lower",
        digits=3,
        definition="Motion alignment: mean end-point error between the optical flow of the edited clip and "
        "that of the source, in pixels of the clip.",
        needs=frozenset({"source", "neighbours"}),
        measure=motion_alignment,
        parameters="dis",
        place=62,
    )
