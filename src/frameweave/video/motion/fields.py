"""Files that hold flow: .flo, .npy, .npz and .safetensors. Fields are read one by one, where that can be."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from frameweave.errors import InputError, in_one_line
from frameweave.video.motion.providers import Field
from frameweave.video.sequences import counted

Way = Literal["forward", "backward"]
WAYS: tuple[Way, Way] = ("forward", "backward")
ARRAYS = (".npy", ".npz", ".safetensors")
_LAYOUT = "see docs/howto/motion.md for the layouts"
_MAGIC = 202021.25
_HEAD = 12
"""Bytes of a .flo file before its values: the magic number, width and height."""
_UNKNOWN = 1e9
"""The length of a flow, in pixels, from which on Middlebury's files mean that it is unknown."""


@dataclass(frozen=True, eq=False)
class Fields:
    """The flow of a clip one way: a field for each two neighbouring frames."""

    count: int
    size: tuple[int, int]
    """Height and width of each."""
    _read: Callable[[int], NDArray[Any]]

    @classmethod
    def of_array(cls, path: Path, array: Any) -> "Fields":
        """Of an array with x and y last, or as channels first. Raises `InputError` for any other one."""
        shape = tuple(array.shape)
        last = len(shape) == 4 and shape[3] == 2
        if len(shape) != 4 or not (last or shape[1] == 2) or 0 in shape:
            raise InputError(
                f"{path}: an array of {shape}, expected (frames - 1, height, width, 2)",
                hint=f"the last axis holds x and y in pixels; {_LAYOUT}",
            )
        if last:
            return cls(shape[0], (shape[1], shape[2]), lambda number: array[number])
        return cls(
            shape[0], (shape[2], shape[3]), lambda number: np.moveaxis(np.asarray(array[number]), 0, -1)
        )

    def read(self, number: int) -> Field:
        """One field; NaN where it is unknown."""
        field = np.array(self._read(number), np.float32, order="C")
        field[~(np.abs(field) < _UNKNOWN).all(-1)] = np.nan
        return field


def fields_of(path: Path) -> dict[Way, Fields]:
    """Both ways, from a file or a folder. Raises `InputError` for what is none of the known layouts."""
    if path.is_dir():
        return {way: _in_folder(path, way) for way in WAYS}
    suffix = path.suffix.lower()
    if suffix == ".npy":
        both = _opened(path)
        if both.ndim != 5 or len(both) != 2:
            raise InputError(
                f"{path}: an array of {both.shape}, expected (2, frames - 1, height, width, 2)",
                hint=f"the first half is the forward flow, the second one the backward flow; {_LAYOUT}",
            )
        return {way: Fields.of_array(path, half) for way, half in zip(WAYS, both, strict=True)}
    if suffix in ARRAYS:
        return {way: Fields.of_array(path, _opened(path, way)) for way in WAYS}
    raise InputError(
        f"{path}: cannot read flow from {suffix or 'a file without a suffix'}",
        hint=f"give {', '.join(ARRAYS)} or a folder; {_LAYOUT}",
    )


def _in_folder(folder: Path, way: Way) -> Fields:
    """Of forward/ or forward.npy in a folder."""
    inside, file = folder / way, folder / f"{way}.npy"
    if file.is_file():
        return Fields.of_array(file, _opened(file))
    if not inside.is_dir():
        raise InputError(
            f"{folder}: a flow without {way}, expected the folder {way} or the file {way}.npy in it",
            hint=f"flow is needed to the next frame (forward) and back (backward); {_LAYOUT}",
        )
    shown = (one for one in inside.iterdir() if one.suffix.lower() in (".flo", ".npy") and one.name[0] != ".")
    files = sorted(shown, key=counted)
    if not files:
        raise InputError(f"{inside}: no .flo or .npy file in it", hint=_LAYOUT)
    height, width, _ = _shape(files[0])
    for file in files:
        h, w, _ = _shape(file)
        if (h, w) != (height, width):
            raise InputError(
                f"{file}: a flow of {w} x {h} pixels, {files[0].name} has {width} x {height}",
                hint="give all of one size",
            )
    return Fields(len(files), (height, width), lambda number: _one(files[number]))


class _Slices:
    """An array of a safetensors file, of which single members can be read."""

    def __init__(self, path: Path, name: str) -> None:
        self._slice = safe_open(path, "np").get_slice(name)
        self.shape = tuple(self._slice.get_shape())
        self.ndim = len(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, number: int) -> NDArray[Any]:
        return self._slice[number : number + 1][0]


def _opened(path: Path, name: str = "") -> Any:
    """An array in a file: mapped, or read as a whole where the file is packed."""
    try:
        if path.suffix.lower() == ".safetensors":
            return _Slices(path, name)
        if not name:
            return _numeric(np.load(path, mmap_mode="r", allow_pickle=False))
        with np.load(path, allow_pickle=False) as arrays:
            return _numeric(arrays[name])
    except (OSError, ValueError, KeyError, TypeError, EOFError, SafetensorError) as error:
        lacks = isinstance(error, KeyError) or "does not contain" in str(error)
        told = f"no array {name} in it" if lacks else f"cannot be read as flow ({in_one_line(error)})"
        raise InputError(f"{path}: {told}", hint=_LAYOUT) from error


def _numeric(array: Any) -> NDArray[Any]:
    if array.dtype.kind not in "fiu":
        raise ValueError(f"values of type {array.dtype}")
    return array


def _one(file: Path) -> NDArray[Any]:
    """The field of one file."""
    if file.suffix.lower() == ".npy":
        return _opened(file)
    height, width, _ = _shape(file)
    return np.fromfile(file, "<f4", offset=_HEAD).reshape(height, width, 2)


def _shape(file: Path) -> tuple[int, int, int]:
    """Height, width and 2 of one file's field. Raises `InputError` for any other."""
    if file.suffix.lower() == ".npy":
        shape = tuple(_opened(file).shape)
        if len(shape) == 3 and shape[2] == 2 and 0 not in shape:
            return shape
        raise InputError(f"{file}: an array of {shape}, expected (height, width, 2)", hint=_LAYOUT)
    try:
        magic, whole = np.fromfile(file, "<f4", 1), file.stat().st_size
        width, height = (int(side) for side in np.fromfile(file, "<i4", 2, offset=4))
    except (OSError, ValueError) as error:
        raise InputError(f"{file}: cannot be read ({in_one_line(error)})", hint=_LAYOUT) from error
    if magic != [_MAGIC] or min(width, height) < 1 or whole != _HEAD + 8 * width * height:
        raise InputError(f"{file}: no whole .flo file", hint="write it as Middlebury's programs do")
    return height, width, 2
