"""The search for the most similar token, against the definition."""

import pytest
import torch
import torch.nn.functional as F

from frameweave.diffusion import similarity
from frameweave.diffusion.similarity import most_similar


@pytest.mark.parametrize("at_once", [2**24, 50])
def test_it_is_the_argmax_of_the_cosine(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one piece, or in pieces of one row."""
    monkeypatch.setattr(similarity, "_SCORES", at_once)
    rows, columns = torch.randn(2, 50, 6, dtype=torch.float64), torch.randn(2, 20, 6, dtype=torch.float64)
    cosine = F.cosine_similarity(rows[:, :, None], columns[:, None], dim=3)
    values, index = most_similar(rows, F.normalize(columns, dim=-1))
    assert torch.equal(index, cosine.argmax(2))
    assert torch.allclose(values, cosine.max(2).values * rows.norm(dim=2))
