"""Videos as raters get them: all encoded alike, without metadata, those of a pair of one length in bytes."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import torch

from frameweave.errors import DataError, InputError
from frameweave.video import VideoWriter
from frameweave.video.clip import Clip, picture_of, resized_frames

_LEAST = 384  # pixels of the shorter side: small clips are enlarged, which also keeps their colours sharp
_BOX = 8  # bytes of an empty mp4 box: its size and its name


@dataclass(frozen=True, kw_only=True)
class Look:
    """What all videos of a pair have in common."""

    size: tuple[int, int]
    frames: int
    fps: Fraction
    clips: tuple[Clip, ...]
    """As they were read."""


def common_look(paths: Sequence[Path]) -> Look:
    """The size, length and rate in which several videos can be shown side by side.

    Raises `DataError` when one is missing or unplayable, or when they differ in length or shape.
    """
    clips = [read_clip(path) for path in paths]
    first, (width, height) = clips[0], clips[0].size
    for path, clip in zip(paths, clips, strict=True):
        if len(clip) != len(first):
            raise DataError(
                f"{path}: {len(clip)} frames, {paths[0]} has {len(first)}",
                hint="compare runs of one length: edit with the same --frames",
            )
        if abs(clip.size[0] * height - clip.size[1] * width) > 0.02 * width * height:
            raise DataError(
                f"{path}: {clip.size[0]} x {clip.size[1]} pixels, {paths[0]} has {width} x {height}",
                hint="compare videos of one shape",
            )
    scale = max(1, -(-_LEAST // min(width, height)))
    return Look(
        size=(_even(width * scale), _even(height * scale)),
        frames=len(first),
        fps=first.fps,
        clips=tuple(clips),
    )


def read_clip(path: Path) -> Clip:
    """A video that must be there. Raises `DataError` when it is not, or cannot be played."""
    try:
        return Clip.read(path)
    except (InputError, OSError) as error:
        raise DataError(f"{path}: {error}", hint="finish or mend the run, or leave that clip out") from error


def write_media(clip: Clip, look: Look, target: Path) -> None:
    """Write a clip in that look: H.264 in mp4, no sound, nothing said about where it comes from."""
    frames = resized_frames(clip.frames, look.size)
    with VideoWriter(target, size=look.size, fps=look.fps) as writer:
        for index, frame in enumerate(frames):
            writer.write(picture_of(frame), index / look.fps, 1 / look.fps)


def even_out(paths: Sequence[Path]) -> None:
    """Append empty boxes, so that the files' lengths tell nothing."""
    length = max(path.stat().st_size for path in paths) + _BOX
    for path in paths:
        missing = length - path.stat().st_size
        with path.open("ab") as file:
            file.write(missing.to_bytes(4, "big") + b"free" + bytes(missing - _BOX))


def spoilt(clip: Clip, *, seed: int) -> Clip:
    """A clip that anybody sees is worse: coarse, noisy, and flickering."""
    rng = torch.Generator().manual_seed(seed)
    width, height = clip.size
    coarse = resized_frames(clip.frames, (max(4, width // 6), max(4, height // 6)))
    back = resized_frames(coarse, (width, height))
    light = 0.7 + 0.6 * torch.rand(len(clip), 1, 1, 1, generator=rng)
    noise = 0.2 * torch.randn(back.shape, generator=rng)
    return clip.with_frames((back * light + noise).clamp(0, 1))


def _even(number: int) -> int:
    return number + number % 2
