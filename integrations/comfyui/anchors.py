"""Frames that were edited in another program, and which frames of the video they are."""

from torch import Tensor

from frameweave.api import InputError

from .batches import frames_of, resized


def edited_frames(
    anchors: Tensor | None, numbers: str, size: tuple[int, int], count: int
) -> dict[int, Tensor]:
    """Each picture (1 3 H W) by its frame's number, at the video's size, of a video of `count` frames.

    Raises `InputError` for other numbers than there are pictures, and for those that the video has not.
    """
    pictures = [] if anchors is None else list(frames_of(anchors).split(1))
    asked = [one.strip() for one in numbers.split(",") if one.strip()]
    if wrong := [one for one in asked if not one.isdecimal() or int(one) >= count]:
        raise InputError(
            f"anchor_frames: {wrong[0]!r}, expected numbers from 0 to {count - 1}", hint="write 0, 40"
        )
    if len({int(one) for one in asked}) != len(pictures) or len(asked) != len(pictures):
        raise InputError(
            f"anchor_frames: {len(asked)} numbers for {len(pictures)} edited frames",
            hint="give each edited frame a number of its own",
        )
    return {int(number): resized(picture, size) for number, picture in zip(asked, pictures, strict=True)}
