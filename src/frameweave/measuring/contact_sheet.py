"""Contact sheets: many pictures in one PNG, to be looked at."""

from pathlib import Path

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from frameweave.runs.atomic import staged


def save_sheet(pictures: Float[Tensor, "N 3 H W"], path: Path, *, columns: int) -> None:
    """Write pictures in [0, 1] row by row, at twice their size."""
    n, _, height, width = pictures.shape
    rows = -(-n // columns)
    empty = pictures.new_ones((rows * columns - n, 3, height, width))
    grid = torch.cat([pictures, empty]).unflatten(0, (rows, columns))
    sheet = grid.permute(0, 3, 1, 4, 2).reshape(rows * height, columns * width, 3)
    pixels = (sheet.clamp(0, 1) * 255).round().byte().numpy()
    image = Image.fromarray(pixels).resize((2 * columns * width, 2 * rows * height), Image.Resampling.NEAREST)
    with staged(path) as stage:
        image.save(stage)
