"""What a frame's stored numbers mean: its colours, transparency, turn, and the shape of its pixels.

Frames are read as sRGB out of any matrix and range. They are written in BT.709 with limited range, and
tagged so: of what is not tagged, players take small videos for BT.601 and large ones for BT.709.
"""

from fractions import Fraction

import numpy as np
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc, VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
"""Height x width x 3, sRGB, 0 to 255."""

_UNTAGGED = 2  # FFmpeg's number of a matrix that the file does not tell
_SD = (1279, 576)  # width and height up to which players take untagged video for BT.601
_HDR = (ColorTrc.SMPTE2084, ColorTrc.ARIB_STD_B67)


def has_alpha(pixel_format: str | None) -> bool:
    """Whether pictures of this format can be transparent."""
    return pixel_format is not None and any(
        word in pixel_format for word in ("rgba", "bgra", "argb", "yuva", "pal8", "ya")
    )


def shape_of(stream: VideoStream, turned: int) -> Fraction:
    """Width of a pixel over its height, in the frame as it is shown; 1 where the file does not say."""
    stored = Fraction(stream.sample_aspect_ratio or 1)
    return 1 / stored if turned in (90, 270) else stored


def notes_of(stream: VideoStream, first: VideoFrame) -> tuple[str, ...]:
    """What reading will change in a video with that first frame, in words."""
    context, notes = stream.codec_context, list[str]()
    if stream.metadata.get("alpha_mode") == "1" or has_alpha(context.pix_fmt):
        notes.append("transparency is laid on white")
    depth = max((c.bits for c in context.format.components), default=8) if context.format else 8
    if depth > 8:
        notes.append(f"{depth}-bit colour is read as 8-bit")
    if first.color_trc in _HDR:
        notes.append("HDR brightness is read as if it were SDR, which looks pale")
    if first.interlaced_frame:
        notes.append("interlaced fields are read as one picture")
    shape = shape_of(stream, first.rotation % 360)
    if shape != 1:
        notes.append(f"pixels of {shape.numerator}:{shape.denominator} are read as squares")
    return tuple(notes)


def upright(frame: VideoFrame, converter: VideoReformatter, *, alpha: bool) -> Picture:
    """The frame turned as it is shown; with `alpha` transparency is laid on white.

    A converter is kept from frame to frame: each frame's own would be set up anew.
    """
    matrix = _guessed_matrix(frame)
    if alpha:
        rgba = converter.reformat(frame, format="rgba", src_colorspace=matrix).to_ndarray()
        share = rgba[..., 3:].astype(np.float32) / 255
        pixels = (rgba[..., :3] * share + 255 * (1 - share) + 0.5).astype(np.uint8)
    else:
        pixels = converter.reformat(frame, format="rgb24", src_colorspace=matrix).to_ndarray()
    turned = np.rot90(pixels, k=round(frame.rotation / 90)) if frame.rotation else pixels
    return np.asarray(turned, np.uint8)


def _guessed_matrix(frame: VideoFrame) -> Colorspace | None:
    """BT.709 for large frames that do not tell theirs; None where the frame tells, or BT.601 is right."""
    large = frame.width > _SD[0] or frame.height > _SD[1]
    coded = not frame.format.is_rgb and not frame.format.has_palette
    return Colorspace.ITU709 if large and coded and frame.colorspace == _UNTAGGED else None


def stored(pixels: Picture, converter: VideoReformatter, pixel_format: str) -> VideoFrame:
    """A picture as a frame of that format, in the colours that `declare` tells."""
    return converter.reformat(
        VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24"),
        format=pixel_format,
        dst_colorspace=Colorspace.ITU709,
        dst_color_range=ColorRange.MPEG,
    )


def declare(encoder: VideoCodecContext) -> None:
    """Tag what is encoded as BT.709 with limited range."""
    encoder.colorspace = Colorspace.ITU709
    encoder.color_range = ColorRange.MPEG
    encoder.color_primaries = ColorPrimaries.BT709
    encoder.color_trc = ColorTrc.BT709
