"""What a video's numbers mean as colours, and the exact way from them to sRGB bytes and back.

Both ways are rounded without bias and interpolate chroma at full resolution, so that a video which is
read and written again and again keeps its colours. What is written has the matrix and range of what was
read, and says so: of what is not tagged, players take small videos for BT.601 and large ones for BT.709.
"""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from av.filter import Graph
from av.video.codeccontext import VideoCodecContext
from av.video.format import VideoFormat
from av.video.frame import VideoFrame
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc, VideoReformatter
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
"""Height x width x 3, sRGB, 0 to 255."""

# FFmpeg's numbers: bicubic, rounded without bias, full chroma into and out of RGB
_EXACT = 0x4 | 0x40000 | 0x2000 | 0x4000
_UNTAGGED = 2
_YCGCO = 8
_LUMA = {
    1: (0.2126, 0.0722),
    4: (0.30, 0.11),
    5: (0.299, 0.114),
    6: (0.299, 0.114),
    7: (0.212, 0.087),
    9: (0.2627, 0.0593),
}
"""What red and blue weigh in the luma, by the number of the matrix."""
_UNUSUAL = {
    10: "BT.2020 with constant luminance",
    11: "SMPTE 2085",
    12: "derived primaries",
    13: "derived primaries with constant luminance",
    14: "ICtCp",
    15: "IPT",
}
_SD = (1279, 576)  # width and height up to which players take untagged video for BT.601


@dataclass(frozen=True)
class Colours:
    """How a video stores colours; matrix, primaries and transfer are the numbers of ITU-T H.273."""

    matrix: int = int(Colorspace.ITU709)
    full: bool = False
    """Whether black is 0 and white is 255, not 16 and 235."""
    primaries: int = int(ColorPrimaries.BT709)
    transfer: int = int(ColorTrc.BT709)

    @classmethod
    def of(cls, frame: VideoFrame) -> "Colours":
        """Those of a frame; BT.709 where it holds RGB or grey, and has no matrix to keep."""
        if _without_matrix(frame):
            return BT709
        matrix = read_as(frame)
        return cls(
            matrix if matrix != _YCGCO else BT709.matrix,
            frame.color_range == ColorRange.JPEG or frame.format.name.startswith("yuvj"),
            int(frame.color_primaries),
            int(frame.color_trc),
        )

    @property
    def range(self) -> ColorRange:
        """In FFmpeg's words."""
        return ColorRange.JPEG if self.full else ColorRange.MPEG

    def declare(self, encoder: VideoCodecContext) -> None:
        """Tag what is encoded."""
        encoder.colorspace = self.matrix
        encoder.color_range = self.range
        encoder.color_primaries = self.primaries
        encoder.color_trc = self.transfer


BT709 = Colours()


def notes_of_colours(frame: VideoFrame) -> tuple[str, ...]:
    """What reading will change in a frame's colours, in words."""
    name = None if _without_matrix(frame) else _UNUSUAL.get(int(frame.colorspace))
    return () if name is None else (f"colours of {name} are read as BT.2020",)


def read_as(frame: VideoFrame) -> int:
    """The matrix by which a frame is read: its own where that is known, else what players take it for."""
    told = int(frame.colorspace)
    if told in (*_LUMA, _YCGCO):
        return told
    if told in _UNUSUAL:
        return int(Colorspace.BT2020)
    large = frame.width > _SD[0] or frame.height > _SD[1]
    return int(Colorspace.ITU709 if large else Colorspace.ITU601)


def to_rgb(
    frame: VideoFrame, converter: VideoReformatter, size: tuple[int, int], *, alpha: bool = False
) -> NDArray[np.uint8]:
    """The frame's pixels in sRGB, scaled to (width, height); with `alpha` a fourth channel of it.

    A converter is kept from frame to frame: each frame's own would be set up anew.
    """
    width, height = size
    layout = "rgba" if alpha else "rgb24"
    if _without_matrix(frame):
        found = converter.reformat(frame, width, height, format=layout, interpolation=_EXACT)
        pixels = np.asarray(found.to_ndarray(), np.uint8)
        if frame.format.components[0].is_luma and frame.color_range == ColorRange.MPEG:
            pixels[..., :3] = _from_limited(pixels[..., :3])  # FFmpeg takes all grey for full range
        return pixels
    colours, matrix = Colours.of(frame), read_as(frame)
    frame.colorspace = matrix if matrix != _YCGCO else BT709.matrix
    if matrix == _YCGCO:
        planes = converter.reformat(
            frame,
            width,
            height,
            format="yuv444p",
            interpolation=_EXACT,
            src_color_range=colours.range,
            dst_color_range=colours.range,
        )
        return _from_ycgco(np.asarray(planes.to_ndarray(), np.uint8), full=colours.full)
    found = converter.reformat(
        frame, width, height, format=layout, interpolation=_EXACT, src_color_range=colours.range
    )
    return np.asarray(found.to_ndarray(), np.uint8)


class FrameMaker:
    """Makes frames of one size out of pictures, in the colours that are declared.

    `pixel_format` is yuv444p or yuv420p; in the second, `siting` says where each chroma sample lies between
    its pixels, which decoders of a format take for granted: left or center.
    """

    def __init__(self, size: tuple[int, int], pixel_format: str, colours: Colours, siting: str) -> None:
        black, steps, swing = _levels(colours.full)
        red, blue = _LUMA[colours.matrix]
        luma = np.array((red, 1 - red - blue, blue))
        by = np.stack(
            [
                luma * steps / 255,
                (np.array((0, 0, 1)) - luma) * swing / 255 / (2 - 2 * blue),
                (np.array((1, 0, 0)) - luma) * swing / 255 / (2 - 2 * red),
            ]
        )
        self._by, self._zero = by.astype(np.float32), np.array([[black], [128], [128]], np.float32)
        self._graph = None if pixel_format == "yuv444p" else _subsampling(size, pixel_format, siting)

    def frame(self, pixels: Picture) -> VideoFrame:
        """A picture as a frame."""
        numbers = self._by @ pixels.reshape(-1, 3).T.astype(np.float32) + self._zero
        planes = np.rint(numbers).clip(0, 255).astype(np.uint8).reshape(3, *pixels.shape[:2])
        frame = VideoFrame.from_ndarray(planes, format="yuv444p")
        if self._graph is None:
            return frame
        frame.pts = 0
        self._graph.push(frame)
        pulled = self._graph.pull()
        assert isinstance(pulled, VideoFrame)
        return pulled


def _subsampling(size: tuple[int, int], pixel_format: str, siting: str) -> Graph:
    graph = Graph()
    source = graph.add_buffer(
        width=size[0], height=size[1], format=VideoFormat("yuv444p"), time_base=Fraction(1, 1000)
    )
    scale = graph.add("scale", f"flags=bicubic+accurate_rnd:out_chroma_loc={siting}")
    layout, sink = graph.add("format", f"pix_fmts={pixel_format}"), graph.add("buffersink")
    for one, other in ((source, scale), (scale, layout), (layout, sink)):
        one.link_to(other)
    graph.configure()
    return graph


def _without_matrix(frame: VideoFrame) -> bool:
    """Whether a frame holds RGB, a palette or grey alone."""
    return frame.format.is_rgb or frame.format.has_palette or len(frame.format.components) < 3


def _levels(full: bool) -> tuple[int, int, int]:
    """The number of black, how many steps lie between it and white, and in chroma between its ends."""
    return (0, 255, 255) if full else (16, 219, 224)


def _from_limited(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    black, steps, _ = _levels(full=False)
    return np.rint((grey.astype(np.float32) - black) / steps * 255).clip(0, 255).astype(np.uint8)


def _from_ycgco(planes: NDArray[np.uint8], *, full: bool) -> Picture:
    """By the definition: a difference of green, and one of orange, to the mean luma."""
    black, steps, swing = _levels(full)
    luma, green, orange = planes.astype(np.float32)
    y, g, o = (luma - black) / steps, (green - 128) / swing, (orange - 128) / swing
    rgb = np.stack([y - g + o, y + g, y - g - o], axis=2)
    return np.rint(rgb * 255).clip(0, 255).astype(np.uint8)
