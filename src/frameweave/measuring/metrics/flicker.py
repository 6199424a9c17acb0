"""Flicker beside the true edit's: a true edit changes along the motion, too, and blur changes less."""

from collections.abc import Iterator

from frameweave.measuring.metrics.base import Case, Frames, Metric
from frameweave.measuring.metrics.flow import flow_parameters, flow_title, source_flow, warp_error
from frameweave.measuring.metrics.registry import Networks

_LEVELS = 255


def temporal_error(frames: Frames, true: Frames) -> float:
    """Mean |change between neighbouring frames - that of the true edit|, of 255 levels."""
    own, other = (clip[1:] - clip[:-1] for clip in (frames, true))
    return _LEVELS * float((own - other).abs().mean())


def excess_flicker_metric(*, true_flow: bool) -> Metric:
    """How far the warp error is from the true edit's own, above or below."""

    def measure(case: Case) -> float:
        assert case.truth is not None
        flow, visible = source_flow(case, true_flow=true_flow)
        own, true = (warp_error(clip.frames, flow, visible) for clip in (case.edited, case.truth))
        return abs(own - true)

    return Metric(
        name="excess_flicker",
        title=f"Excess flicker [{flow_title(true_flow=true_flow)}]",
        better="lower",
        digits=4,
        definition="Absolute difference of the warp error from the true edit's own: 0 flickers as the true "
        "edit does. A blurred clip has less warp error than the true edit, and pays here.",
        needs=frozenset({"neighbours", "flow", "truth"}),
        measure=measure,
        parameters=flow_parameters(true_flow=true_flow),
        place=14,
        headline=True,
    )


def _temporal_error(case: Case) -> float:
    assert case.truth is not None
    return temporal_error(case.edited.frames, case.truth.frames)


TEMPORAL_ERROR = Metric(
    name="temporal_error",
    title="Temporal error",
    better="lower",
    digits=2,
    definition="Mean absolute difference between the change from frame to frame and that of the true edit, "
    "in levels of 255.",
    needs=frozenset({"neighbours", "truth"}),
    measure=_temporal_error,
    place=64,
)


def metrics(networks: Networks) -> Iterator[Metric]:
    """Both, along the true flow where clips show the world."""
    yield excess_flicker_metric(true_flow=networks.judge is not None)
    yield TEMPORAL_ERROR
