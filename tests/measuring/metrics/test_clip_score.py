"""CLIP scores of vectors whose cosines are known."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from frameweave.measuring.metrics.base import Case, Looked
from frameweave.measuring.metrics.clip_score import (
    clip_consistency,
    clip_directional,
    clip_metric,
    clip_score,
)


class Colours:
    """Mean colour as picture vector, and words for three colours."""

    id = "colours"

    def pictures(self, frames: Tensor) -> Tensor:
        return F.normalize(frames.mean((2, 3)), dim=1)

    def words(self, text: str) -> Tensor:
        return {"red": torch.tensor([1.0, 0, 0]), "green": torch.tensor([0.0, 1, 0])}[text]

    def unseen(self, text: str) -> str:
        return ""


def frames(*rows: tuple[float, float, float]) -> Tensor:
    return torch.tensor(rows, dtype=torch.float32)[:, :, None, None].expand(-1, -1, 2, 2)


def test_formulas() -> None:
    pictures = torch.tensor([[1.0, 0], [0.6, 0.8]])
    assert float(clip_score(pictures, torch.tensor([1.0, 0]))) == pytest.approx(80)
    assert float(clip_score(pictures, torch.tensor([0.0, -1]))) == pytest.approx(-40)  # never clamped
    assert float(clip_consistency(pictures)) == pytest.approx(0.6)
    same = torch.tensor([1.0, 0])
    assert math.isnan(float(clip_directional(pictures, pictures, same, same)))


def test_only_frames_that_change_have_a_direction() -> None:
    source = torch.tensor([[1.0, 0], [1.0, 0]])
    red, blue = torch.tensor([1.0, 0]), torch.tensor([0.0, 1])
    half = torch.tensor([[0.0, 1], [1.0, 1e-7]])
    assert float(clip_directional(half, source, blue, red)) == pytest.approx(1)
    assert math.isnan(float(clip_directional(source + 1e-7, source, blue, red)))
    assert math.isnan(float(clip_directional(half, source, red, red)))


def test_metrics() -> None:
    case = Case(
        edited=Looked(frames((1, 0, 0), (1, 0, 0))),
        source=Looked(frames((0, 1, 0), (0, 1, 0))),
        prompt="red",
        source_prompt="green",
    )
    model = Colours()
    assert clip_metric(model, "score").measure(case) == pytest.approx(100)
    assert clip_metric(model, "consistency").measure(case) == pytest.approx(1)
    assert clip_metric(model, "directional").measure(case) == pytest.approx(1)
