"""What an edit becomes after each step: its average along the source's motion, within the region."""

from collections.abc import Callable

from torch import Tensor

from frameweave.editors.request import EditRequest
from frameweave.errors import InputError
from frameweave.video.motion.motion import Motion


def motion_for(request: EditRequest, who: str) -> Motion:
    """The request's motion. Raises `InputError` where it is lacking or does not fit the clip."""
    motion = request.motion
    frames, _, *size = request.x_0.shape
    if motion is None or (len(motion), *motion.flow.shape[3:]) != (frames, *size):
        there = "none" if motion is None else f"that of {len(motion)} frames"
        raise InputError(
            f"{who} needs the motion of {frames} frames of {size[1]} x {size[0]} latents, found {there}",
            hint="make the request with request_of, or give radius=0",
        )
    return motion


def smoothing(request: EditRequest, radius: int, *, who: str) -> Callable[[Tensor], Tensor]:
    """The average of an edit with so many neighbours to each side; nothing of it outside of the region.

    Raises `InputError` where the motion is lacking, and for a region and a motion that do not fit the clip.
    """
    motion, region = motion_for(request, who) if radius else None, request.region
    frames, _, *size = request.x_0.shape
    if region is not None and list(region.shape) not in ([1, 1, *size], [frames, 1, *size]):
        raise InputError(
            f"a region of {list(region.shape)}, expected {[frames, 1, *size]} or {[1, 1, *size]}",
            hint="give it at the latents' size, for all frames at once or for each",
        )
    if region is not None and not 0 <= float(region.min()) <= float(region.max()) <= 1:
        raise InputError(
            f"a region of {float(region.min()):g} to {float(region.max()):g}, expected 0 to 1",
            hint="give 1 where the clip is edited and 0 where it stays",
        )

    def smoothed(edit: Tensor) -> Tensor:
        if motion is not None:
            edit = motion.averaged(edit, radius=radius, inside=region)
        return edit if region is None else edit * region.to(edit)

    return smoothed
