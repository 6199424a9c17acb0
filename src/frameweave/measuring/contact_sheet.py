"""Contact sheets: many pictures in one PNG, to be looked at."""

from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from frameweave.video.pictures import save_picture


def save_sheet(pictures: Float[Tensor, "N 3 H W"], path: Path, *, columns: int) -> None:
    """Write pictures in [0, 1] row by row, at twice their size."""
    n, _, height, width = pictures.shape
    rows = -(-n // columns)
    empty = pictures.new_ones((rows * columns - n, 3, height, width))
    grid = torch.cat([pictures, empty]).unflatten(0, (rows, columns))
    sheet = grid.permute(2, 0, 3, 1, 4).reshape(3, rows * height, columns * width)
    save_picture(sheet, path, zoom=2)
