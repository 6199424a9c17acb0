"""One picture file as a viewer shows it: upright, in sRGB, whatever its depth, profile and transparency."""

from collections.abc import Generator
from contextlib import contextmanager
from functools import lru_cache
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageOps

from frameweave.errors import InputError
from frameweave.video.colours import Picture
from frameweave.video.opening import reason_of

UNREADABLE = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)
"""What PIL raises for a picture that is damaged; for some chunks of PNG files a `SyntaxError`."""
_NUMBERS = ("I", "F")  # modes of 32 bits
_TURNING = (5, 6, 7, 8)  # of the orientations that EXIF knows, those that swap width and height
_ORIENTATION = 0x0112


@contextmanager
def opened_picture(path: Path) -> Generator[Image.Image, None, None]:
    """The file as PIL opens it. Raises `InputError` when it cannot be read."""
    try:
        with Image.open(path) as image:
            yield image
    except UNREADABLE as error:
        raise InputError(
            f"{path}: not a readable picture ({reason_of(error)})", hint="remove or replace it"
        ) from error


def size_shown(image: Image.Image) -> tuple[int, int]:
    """Width and height as a viewer shows it."""
    turned = image.format != "TIFF" and image.getexif().get(_ORIENTATION) in _TURNING  # PIL turns TIFF itself
    return (image.height, image.width) if turned else image.size


def pixels_of(image: Image.Image, *, background: int = 255, greatest: float | None = None) -> Picture:
    """The picture upright and in sRGB; transparency is laid on grey of this value, white by default.

    `greatest` is the greatest number of all pictures of a sequence, see `greatest_of`.
    """
    upright = ImageOps.exif_transpose(eight_bit(image, greatest=greatest))
    profile = image.info.get("icc_profile")
    if not upright.has_transparency_data:
        return np.asarray(_in_srgb(upright, profile))
    rgba = upright.convert("RGBA")
    rgb = _in_srgb(rgba.convert("RGB"), profile)
    ground = Image.new("RGB", rgba.size, (background,) * 3)
    return np.asarray(Image.composite(rgb, ground, rgba.getchannel("A")))


def is_transparent(image: Image.Image) -> bool:
    """Whether any part of it is."""
    shown = eight_bit(image)
    return shown.has_transparency_data and shown.convert("RGBA").getchannel("A").getextrema() != (255, 255)


def eight_bit(image: Image.Image, *, greatest: float | None = None) -> Image.Image:
    """Grey of more than 8 bits as 8 bits: by its depth, or for numbers of 32 bits by how large they are."""
    if image.mode not in _NUMBERS and not image.mode.startswith("I;16"):
        return image
    values = np.nan_to_num(np.asarray(image, np.float32), nan=0.0, posinf=np.inf, neginf=0.0)
    most = greatest_of(image) if greatest is None else greatest
    levels = 65535.0 if most is None else _levels(most)
    scaled = Image.fromarray(np.rint((values / levels).clip(0, 1) * 255).astype(np.uint8))
    scaled.info = {key: value for key, value in image.info.items() if key != "transparency"}
    scaled.getexif().update(image.getexif())
    return scaled


def greatest_of(image: Image.Image) -> float | None:
    """The greatest number in a picture of 32 bits, which tells what white is; None for all other pictures."""
    if image.mode not in _NUMBERS:
        return None
    values = np.asarray(image, np.float32)
    return float(np.max(values, where=np.isfinite(values), initial=0))


def _levels(greatest: float) -> float:
    """What white is: floats are meant from 0 to 1 (a little more is glare), whole numbers by their bits."""
    usual = ((2.0, 1.0), (255.0, 255.0), (65535.0, 65535.0))
    return next((white for most, white in usual if greatest <= most), greatest)


def _in_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """RGB of the standard colours; a profile that does not fit its picture is left out of account."""
    rgb_like = image if image.mode in ("RGB", "L", "CMYK", "LAB") else image.convert("RGB")
    transform = _transform(profile, rgb_like.mode) if profile else None
    if transform is None:
        return image.convert("RGB")
    converted = ImageCms.applyTransform(rgb_like, transform)
    assert converted is not None
    return converted


@lru_cache(maxsize=8)
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    try:
        source = ImageCms.ImageCmsProfile(BytesIO(profile))
        return ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, "RGB")
    except (ImageCms.PyCMSError, OSError, TypeError, ValueError):
        return None


def png_of(pixels: NDArray[np.uint8] | NDArray[np.uint16]) -> bytes:
    """A picture as a PNG in memory; grey where it has no colours."""
    file = BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()
