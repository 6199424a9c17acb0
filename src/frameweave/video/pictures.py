"""Pictures of clips: x-t slices, and frames as files."""

from io import BytesIO
from pathlib import Path

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from frameweave.runs.atomic import staged


def xt_slice(frames: Float[Tensor, "F 3 H W"]) -> Float[Tensor, "3 F W"]:
    """The middle row of pixels of every frame, one below the other."""
    return frames[:, :, frames.shape[2] // 2].permute(1, 0, 2)


def save_picture(picture: Float[Tensor, "3 H W"], path: Path, *, zoom: int = 1) -> None:
    """A PNG, enlarged without smoothing."""
    image = _image(picture)
    with staged(path) as stage:
        image.resize((image.width * zoom, image.height * zoom), Image.Resampling.NEAREST).save(stage)


def png_of(picture: Float[Tensor, "3 H W"]) -> bytes:
    """A PNG in memory."""
    file = BytesIO()
    _image(picture).save(file, "PNG")
    return file.getvalue()


def _image(picture: Float[Tensor, "3 H W"]) -> Image.Image:
    pixels: NDArray[np.uint8] = (picture.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).cpu().numpy()
    return Image.fromarray(pixels)
