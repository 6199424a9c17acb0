"""The training loop: exact resume, a stop at non-finite losses, and that it learns at all."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from frameweave.errors import RunError
from frameweave.miniature.loop import CHECKPOINT, Plan, fit, load_average


class Regression:
    """A small channels-last convolution network that fits a fixed function of random pictures."""

    def __init__(self, *, broken_at: int = -1) -> None:
        torch.manual_seed(0)
        layers = (nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.SiLU(), nn.Conv2d(8, 1, 1))
        self.module = nn.Sequential(*layers)
        self.module.to(memory_format=torch.channels_last)
        self.broken_at = broken_at
        self.seen: list[float] = []

    def loss(self, step: int) -> dict[str, Tensor]:
        x = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(step))
        error = self.module(x.contiguous(memory_format=torch.channels_last)).float() - x.mean(1, keepdim=True)
        nan = float("nan") if step == self.broken_at else 1.0
        self.seen.append(float((error**2).mean().detach()))
        return {"squared": (error**2).mean() * nan, "absolute": 0.1 * error.abs().mean()}

    def watch(self) -> dict[str, float]:
        return {"norm": float(sum(p.abs().sum() for p in self.module.parameters()))}


PLAN = Plan(steps=30, warmup=5, watch_every=10)


class Stop(Exception):
    """Stands for a kill."""


@pytest.mark.parametrize("bf16", [True, False])
@pytest.mark.parametrize("cut", [1, 11, 29])
def test_a_stopped_run_goes_on_with_the_same_bits(tmp_path: Path, cut: int, bf16: bool) -> None:
    plan = Plan(steps=30, warmup=5, watch_every=10, bf16=bf16, save_minutes=0)
    fit(Regression(), plan, tmp_path / "whole")
    part = Regression()
    original = part.loss

    def stopping(step: int) -> dict[str, Tensor]:
        if step == cut:
            raise Stop
        return original(step)

    part.loss = stopping  # pyright: ignore
    with pytest.raises(Stop):
        fit(part, plan, tmp_path / "parts")
    fit(Regression(), plan, tmp_path / "parts")
    whole, parts = (load_file(tmp_path / name / CHECKPOINT) for name in ("whole", "parts"))
    assert whole.keys() == parts.keys()
    assert all(torch.equal(whole[key], parts[key]) for key in whole)


def test_it_learns(tmp_path: Path) -> None:
    part = Regression()
    fit(part, Plan(steps=300, learning_rate=1e-2, warmup=10), tmp_path)
    assert part.seen[-1] < 0.05 * part.seen[0]


def test_the_average_is_what_is_loaded(tmp_path: Path) -> None:
    part = Regression()
    fit(part, PLAN, tmp_path)
    fresh = Regression().module
    assert load_average(fresh, tmp_path) == 30
    stored = load_file(tmp_path / CHECKPOINT)
    assert torch.equal(fresh[0].weight, stored["average/0.weight"])
    assert not torch.equal(stored["average/0.weight"], stored["weights/0.weight"])
    assert torch.equal(fresh[1].running_mean, part.module[1].running_mean)
    assert float(fresh[1].running_mean.abs().max()) > 0


def test_a_loss_that_is_not_finite_stops_with_the_term_and_keeps_the_checkpoint(tmp_path: Path) -> None:
    plan = Plan(steps=30, warmup=5, watch_every=10, save_minutes=0)
    with pytest.raises(RunError, match=r"step 7: loss is not finite.*squared.*checkpoint"):
        fit(Regression(broken_at=7), plan, tmp_path)
    fit(Regression(), plan, tmp_path)
    fit(Regression(), plan, tmp_path / "whole")
    assert all(
        torch.equal(value, load_file(tmp_path / "whole" / CHECKPOINT)[key])
        for key, value in load_file(tmp_path / CHECKPOINT).items()
    )
