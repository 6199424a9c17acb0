"""LPIPS on a trunk so small that it is computed by hand."""

import pytest
import torch
from torch import Tensor

from frameweave.measuring.metrics.base import Case, Looked
from frameweave.measuring.metrics.lpips import lpips, lpips_metric, unit


class Tiny:
    """Two stages: the pixels, and twice the pixels pooled to one."""

    id = "tiny"
    looks = 0

    def __init__(self, weights: list[Tensor] | None = None) -> None:
        self.weights = weights

    def stages(self, frames: Tensor) -> list[Tensor]:
        self.looks += 1
        return [frames, 2 * frames.mean((2, 3), keepdim=True)]


def colours(*rows: tuple[float, float, float]) -> Tensor:
    return torch.tensor(rows, dtype=torch.float32)[:, :, None, None].expand(-1, -1, 4, 4).contiguous()


def test_by_hand() -> None:
    a, b = colours((1, 0, 0)), colours((0, 1, 0))
    stages = [[unit(stage) for stage in Tiny().stages(frames)] for frames in (a, b)]
    assert lpips(*stages).tolist() == pytest.approx([4.0])  # 1 + 1 in each of two stages
    weights = [torch.tensor([1.0, 0.5, 0]), torch.tensor([0.0, 0, 7])]
    assert lpips(*stages, weights).tolist() == pytest.approx([1.5])


def test_brightness_does_not_count_but_a_zero_vector_does() -> None:
    trunk = Tiny()
    stages = [[unit(s) for s in trunk.stages(f)] for f in (colours((1, 0, 0)), colours((0.3, 0, 0)))]
    assert lpips(*stages).tolist() == pytest.approx([0.0], abs=1e-6)
    black = [unit(stage) for stage in trunk.stages(colours((0, 0, 0)))]
    assert lpips(stages[0], black).tolist() == pytest.approx([2.0])


def test_three_kinds_from_one_look() -> None:
    trunk = Tiny()
    edited = Looked(colours((1, 0, 0), (0, 1, 0), (0, 1, 0)))
    case = Case(
        edited=edited, source=Looked(colours((0, 0, 1), (0, 0, 1), (0, 1, 0))), truth=Looked(edited.frames)
    )
    assert lpips_metric(trunk, "neighbours").measure(case) == pytest.approx(2.0)
    assert lpips_metric(trunk, "source").measure(case) == pytest.approx(8 / 3)
    assert lpips_metric(trunk, "truth").measure(case) == pytest.approx(0.0, abs=1e-6)
    assert trunk.looks == 3  # once for each clip
