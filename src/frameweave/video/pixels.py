"""What a decoded frame is as a picture: upright, in sRGB, without transparency."""

from fractions import Fraction

import numpy as np
from av.video.format import VideoFormat
from av.video.frame import VideoFrame
from av.video.reformatter import ColorTrc, VideoReformatter

from frameweave.video.colours import Picture, notes_of_colours, to_rgb
from frameweave.video.opening import Opened
from frameweave.video.orientation import Orientation

_HDR = (ColorTrc.SMPTE2084, ColorTrc.ARIB_STD_B67)


def has_alpha(pixels: VideoFormat) -> bool:
    """Whether pictures of this format can be transparent."""
    return pixels.has_palette or any(component.is_alpha for component in pixels.components)


def shape_of(video: Opened, first: VideoFrame) -> Fraction:
    """Width of a pixel over its height, in the frame as it is shown; 1 where the file does not say."""
    stored = Fraction(video.stream.sample_aspect_ratio or 1)
    return 1 / stored if Orientation.of(first).swapped else stored


def notes_of(video: Opened, first: VideoFrame) -> tuple[str, ...]:
    """What reading will change in a video with that first frame, in words."""
    notes = list(notes_of_colours(first))
    if has_alpha(first.format):
        notes.append("transparency is laid on white")
    elif video.stream.metadata.get("alpha_mode") == "1":
        notes.append("transparency is ignored: this FFmpeg cannot read it")
    depth = max((c.bits for c in first.format.components), default=8)
    if depth > 8:
        notes.append(f"{depth}-bit colour is read as 8-bit")
    if first.color_trc in _HDR:
        notes.append("HDR brightness is read as if it were SDR, which looks pale")
    if first.interlaced_frame:
        notes.append("interlaced fields are read as one picture")
    shape = shape_of(video, first)
    if shape != 1:
        notes.append(f"pixels of {shape.numerator}:{shape.denominator} are read as squares")
    return tuple(notes)


def shown_size(frame: VideoFrame) -> tuple[int, int]:
    """Width and height of a frame as it is shown."""
    return Orientation.of(frame).size((frame.width, frame.height))


def upright(
    frame: VideoFrame, converter: VideoReformatter, size: tuple[int, int], *, background: int = 255
) -> Picture:
    """The frame as it is shown, scaled to (width, height).

    Transparency is laid on grey of the value `background`, white by default.
    """
    orientation = Orientation.of(frame)
    stored = orientation.size(size)
    if has_alpha(frame.format):
        rgba = to_rgb(frame, converter, stored, alpha=True)
        share = rgba[..., 3:].astype(np.float32) / 255
        pixels = (rgba[..., :3] * share + background * (1 - share) + 0.5).astype(np.uint8)
    else:
        pixels = to_rgb(frame, converter, stored)
    return orientation.shown(pixels)
