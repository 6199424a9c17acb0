"""Depth of a clip's groups: the clip's own files or an estimator's, always on one scale for the clip."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from frameweave.data.grouping import shown_part
from frameweave.data.lines import Record
from frameweave.data.options import GroupSettings
from frameweave.errors import DataError
from frameweave.video.sequences import counted
from frameweave.video.stills import UNREADABLE, png_of

Maps = NDArray[np.float32]
"""Frames x height x width of inverse depth, at any scale; near is greater."""
Estimate = Callable[[list[bytes]], Maps]
"""Inverse depth of encoded pictures, at the estimator's own scale."""


class DepthScale(Record):
    """How the values of a group's depth files are meant: low + value / levels * (high - low)."""

    low: float
    high: float
    bits: int
    by: str
    """The estimator, or "own"."""


@dataclass(frozen=True, kw_only=True)
class StoredDepth:
    """The maps of a clip's groups as PNG files."""

    maps: tuple[tuple[bytes, ...], ...]
    scale: DepthScale


def stored(groups: Sequence[Maps], *, bits: int, by: str) -> StoredDepth:
    """One scale and shift for all groups of a clip: a scale per frame would flicker."""
    if not all(np.isfinite(maps).all() for maps in groups):
        raise DataError("the depth is not finite", hint="estimate it anew, or give --depth none")
    low = min(float(maps.min()) for maps in groups)
    high = max(float(maps.max()) for maps in groups)
    levels = 2**bits - 1
    scale = levels / (high - low) if high > low else 0.0
    kind = np.uint16 if bits == 16 else np.uint8
    return StoredDepth(
        maps=tuple(
            tuple(png_of(((one - low) * scale).round().astype(kind)) for one in maps) for maps in groups
        ),
        scale=DepthScale(low=low, high=high, bits=bits, by=by),
    )


def own_depth(
    path: str,
    numbers: Sequence[int],
    settings: GroupSettings,
    *,
    frames: int,
    aspect: float | None = None,
) -> Maps:
    """The clip's own maps for these of its frames, fitted as its pictures are (see `shown_part`).

    `path` is an npy file (frames x height x width, opened without unpickling) or a folder of
    grey PNG files, one for each frame, in the order of the numbers in their names. Raises `DataError`
    when it is neither, or has not as many maps as the clip has frames.
    """
    read = _from_folder if Path(path).is_dir() else _from_array
    found = read(Path(path), numbers, frames)
    return np.stack([_fitted(one, settings, aspect) for one in found])


def _from_array(file: Path, numbers: Sequence[int], frames: int) -> list[NDArray[np.float32]]:
    try:
        maps = np.load(file, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # what a damaged file raises is not one kind of error
        raise DataError(f"{file}: not an array of depth ({error})", hint="save it with numpy.save") from error
    if not isinstance(maps, np.ndarray):
        raise DataError(f"{file}: several arrays, expected one of depth", hint="save it with numpy.save")
    if maps.ndim != 3 or maps.dtype.kind not in "fiu":
        raise DataError(
            f"{file}: {maps.dtype} of shape {list(maps.shape)}, expected numbers by frame, row and column",
            hint="save one map for each frame",
        )
    _check_count(file, len(maps), frames)
    return [np.asarray(maps[number], np.float32) for number in numbers]


def _from_folder(folder: Path, numbers: Sequence[int], frames: int) -> list[NDArray[np.float32]]:
    files = sorted((file for file in folder.glob("*.png") if not file.name.startswith(".")), key=counted)
    _check_count(folder, len(files), frames)
    found: list[NDArray[np.float32]] = []
    for number in numbers:
        try:
            with Image.open(files[number]) as image:
                values = np.asarray(image.convert("L") if image.mode == "P" else image)
        except UNREADABLE as error:
            raise DataError(f"{files[number]}: not a picture ({error})", hint="write it anew") from error
        if values.ndim != 2:
            raise DataError(f"{files[number]}: a colour picture, expected grey", hint="give one channel")
        found.append(values.astype(np.float32))
    return found


def _check_count(path: Path, count: int, frames: int) -> None:
    if count != frames:
        raise DataError(f"{path}: {count} maps for {frames} frames", hint="give a map for every frame")


def _fitted(depth: NDArray[np.float32], settings: GroupSettings, aspect: float | None) -> NDArray[np.float32]:
    """As `grouping.fitted` does with pictures, in floating point."""
    size = (settings.size, settings.size)
    box = shown_part(depth.shape[1], depth.shape[0], settings, aspect=aspect)
    return np.asarray(Image.fromarray(depth).resize(size, Image.Resampling.BILINEAR, box=box), np.float32)
