"""`Clip`: the frames of a short video in memory, with their times."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from frameweave.errors import InputError
from frameweave.progress import SILENT
from frameweave.video.along import Along
from frameweave.video.colours import BT709, Colours, Picture
from frameweave.video.reading import probe, rate_of, read_frames
from frameweave.video.writing import VideoWriter

_BEYOND = 0.25  # of [0, 1], to which bicubic scaling overshoots at most


@dataclass(frozen=True, eq=False)
class Clip:
    """F frames as floats in [0, 1], and when each one starts.

    `times` has one entry per frame and a last one: the end of the clip. `audio` is the file whose
    sound belongs to the clip; it is not decoded, only put back when the clip is written. `pixel_shape`
    is the width of a pixel over its height. `colours` says how a written video stores its colours.
    """

    frames: Float[Tensor, "F 3 H W"]
    times: tuple[Fraction, ...]
    audio: Along | None = None
    pixel_shape: Fraction = Fraction(1)
    colours: Colours = BT709

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.frames.shape[3], self.frames.shape[2]

    @property
    def fps(self) -> Fraction:
        """Average frames per second."""
        return len(self) / (self.times[-1] - self.times[0])

    @classmethod
    def of(cls, frames: Float[Tensor, "F 3 H W"], *, fps: Fraction | float = 8) -> "Clip":
        """A clip of constant frame rate. Raises `InputError` for what are no such frames.

        >>> clip = Clip.of(torch.zeros(4, 3, 8, 8), fps=2)
        >>> clip.fps, clip.times[-1]
        (Fraction(2, 1), Fraction(2, 1))
        """
        check_frames(frames)
        rate = rate_of(fps)
        return cls(frames, tuple(index / rate for index in range(len(frames) + 1)))

    @classmethod
    def read(
        cls,
        path: Path | str,
        *,
        frames: int | None = None,
        size: tuple[int, int] | None = None,
        note: Callable[[str], object] = SILENT.note,
    ) -> "Clip":
        """Read a file or folder: at most `frames` frames, scaled to `size` (width, height).

        Scaled clips count as clips of square pixels. `note` is told what was mended. Raises
        `InputError` when it is not a readable video.
        """
        path = Path(path)
        if frames is not None and frames < 1:
            raise InputError(f"{frames} frames, expected at least 1", hint="leave it out for all of them")
        info = probe(path)
        pictures: list[Tensor] = []
        times: list[Fraction] = []
        end = Fraction(0)
        for picture in read_frames(path, first=frames, note=note):
            pixels = np.require(picture.pixels, requirements=["C", "W"])  # torch takes no others
            pictures.append(resized_frames(as_frames(pixels[None]), size))
            times.append(picture.time)
            end = picture.time + picture.duration
        return cls(
            torch.cat(pictures),
            (*times, end),
            audio=Along(path, whole=frames is None or len(pictures) < frames),
            pixel_shape=info.pixel_shape if size in (None, (info.width, info.height)) else Fraction(1),
            colours=info.colours,
        )

    def write(self, path: Path | str, *, crf: int | None = None) -> None:
        """Write a video; the suffix chooses the format, `crf` the quality (see `VideoWriter`)."""
        writer = VideoWriter(
            Path(path),
            size=self.size,
            fps=self.fps,
            audio=self.audio,
            pixel_shape=self.pixel_shape,
            colours=self.colours,
            crf=crf,
        )
        with writer:
            for frame, start, end in zip(self.pixels(), self.times, self.times[1:], strict=False):
                writer.write(frame, start, end - start)

    def pixels(self) -> Iterable[Picture]:
        """Each frame as height x width x 3 bytes."""
        for frame in self.frames:
            yield picture_of(frame)

    def first(self, count: int) -> "Clip":
        """Its first frames."""
        audio = self.audio if count >= len(self) or self.audio is None else replace(self.audio, whole=False)
        return replace(self, frames=self.frames[:count], times=self.times[: count + 1], audio=audio)

    def with_frames(self, frames: Float[Tensor, "F 3 H W"]) -> "Clip":
        """The same times and sound with other pictures; their number must be the same."""
        if len(frames) != len(self):
            raise InputError(f"{len(frames)} frames for a clip of {len(self)}", hint="keep the frame count")
        return replace(self, frames=frames)


def check_frames(frames: object, *, what: str = "frames") -> None:
    """Raise `InputError` for anything but a tensor of floats in [0, 1], of shape F 3 H W.

    Scaling leaves values a little outside. A clip of bytes, or of numbers up to 255, would come out white.
    """
    hint = "give torch floats from 0 to 1, of shape (frames, 3, height, width); bytes are divided by 255"
    if not isinstance(frames, Tensor) or not frames.is_floating_point():
        found = frames.dtype if isinstance(frames, Tensor) else type(frames).__name__
        raise InputError(f"{what} of {found}, expected a tensor of floats", hint=hint)
    if frames.ndim != 4 or frames.shape[1] != 3 or 0 in frames.shape:
        raise InputError(f"{what} of shape {tuple(frames.shape)}, expected (frames, 3, H, W)", hint=hint)
    low, high = (float(value) for value in frames.aminmax())
    if not (low >= -_BEYOND and high <= 1 + _BEYOND):
        raise InputError(f"{what} with values from {low:g} to {high:g}, expected 0 to 1", hint=hint)


def working_size(size: tuple[int, int], longer: int, multiple: int) -> tuple[int, int]:
    """The size at which a video is edited: longer side as given, both sides whole multiples.

    >>> working_size((1280, 720), 512, 64)
    (512, 256)
    >>> working_size((64, 64), 64, 16)
    (64, 64)
    """
    scale = longer / max(size)
    width, height = (max(multiple, round(side * scale / multiple) * multiple) for side in size)
    return width, height


def as_frames(pixels: NDArray[np.uint8]) -> Float[Tensor, "F 3 H W"]:
    """Pictures of bytes (F H W 3) as frames in [0, 1]."""
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255


def picture_of(frame: Float[Tensor, "3 H W"]) -> Picture:
    """A frame as a picture of bytes, on the CPU; what is outside [0, 1] is cut off."""
    return (frame.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).cpu().numpy()


def resized_frames(
    frames: Float[Tensor, "F 3 H W"], size: tuple[int, int] | None
) -> Float[Tensor, "F 3 h w"]:
    """Scaled to (width, height) with antialiasing; None keeps the size."""
    if size is None or (frames.shape[3], frames.shape[2]) == size:
        return frames
    scaled = F.interpolate(frames, (size[1], size[0]), mode="bicubic", antialias=True, align_corners=False)
    return scaled.clamp(0, 1)


def blurred_frames(frames: Float[Tensor, "F C H W"], sigma: float) -> Float[Tensor, "F C H W"]:
    """By a Gaussian of so many pixels; at the border the frames are repeated."""
    reach = int(3 * sigma) + 1
    x = torch.arange(-reach, reach + 1, dtype=frames.dtype, device=frames.device)
    kernel = (-0.5 * (x / sigma) ** 2).exp()
    kernel = kernel / kernel.sum()
    padded = F.pad(frames.flatten(0, 1)[:, None], (reach,) * 4, mode="replicate")
    rows = F.conv2d(padded, kernel.view(1, 1, 1, -1))
    return F.conv2d(rows, kernel.view(1, 1, -1, 1)).view_as(frames)
