"""Pictures of clips: x-t slices, and several clips side by side with their names."""

from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from frameweave.runs.atomic import staged
from frameweave.video.clip import Clip

_ZOOM = 3
_LABEL = 18  # pixels above each panel


def xt_slice(frames: Float[Tensor, "F 3 H W"]) -> Float[Tensor, "3 F W"]:
    """The middle row of pixels of every frame, one below the other."""
    return frames[:, :, frames.shape[2] // 2].permute(1, 0, 2)


def write_slice(clip: Clip, path: Path) -> None:
    """The clip's x-t slice as a PNG, enlarged."""
    save_picture(xt_slice(clip.frames), path, zoom=4)


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


def grid(panels: list[tuple[str, Clip]], *, columns: int) -> Clip:
    """Clips of one size in a labelled grid, enlarged; as long as the shortest of them."""
    font = ImageFont.load_default(12)
    count = min(len(clip) for _, clip in panels)
    width, height = (side * _ZOOM for side in panels[0][1].size)
    rows = -(-len(panels) // columns)
    frames: list[Tensor] = []
    for index in range(count):
        sheet = Image.new("RGB", (columns * (width + 4), rows * (height + _LABEL + 2)), "white")
        draw = ImageDraw.Draw(sheet)
        for place, (label, clip) in enumerate(panels):
            x, y = (place % columns) * (width + 4) + 2, (place // columns) * (height + _LABEL + 2)
            draw.text((x + 2, y + 2), label, fill="black", font=font)
            panel = _image(clip.frames[index]).resize((width, height), Image.Resampling.BICUBIC)
            sheet.paste(panel, (x, y + _LABEL))
        frames.append(torch.from_numpy(np.array(sheet)).permute(2, 0, 1).float() / 255)
    first = panels[0][1]
    return Clip(torch.stack(frames), first.times[: count + 1])


def _image(picture: Float[Tensor, "3 H W"]) -> Image.Image:
    pixels: NDArray[np.uint8] = (picture.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).cpu().numpy()
    return Image.fromarray(pixels)
