"""Which of many tokens is most like each of many others, without holding all similarities at once."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

_SCORES = 2**24
"""Similarities held at once: 64 MB in float32."""


def most_similar(
    rows: Float[Tensor, "b R D"], columns: Float[Tensor, "b N D"]
) -> tuple[Float[Tensor, "b R"], Int[Tensor, "b R"]]:
    """The greatest inner product of every row with a column, and that column.

    Among columns of unit length the column is that of greatest cosine similarity, whatever the
    rows' lengths.
    """
    at_once = max(1, _SCORES // (len(columns) * columns.shape[1]))
    turned = columns.transpose(1, 2)
    found = [(part @ turned).max(-1) for part in rows.split(at_once, dim=1)]
    values, indices = zip(*found, strict=True)
    return torch.cat(values, 1), torch.cat(indices, 1)
