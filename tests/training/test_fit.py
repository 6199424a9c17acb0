"""The training loop: exact resume, a stop at non-finite losses, and that it learns at all."""

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from frameweave.errors import RunError
from frameweave.training import checkpoint, packing
from frameweave.training.fit import Step, fit, load_average
from frameweave.training.plan import Plan


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


def trained(stage: Regression, plan: Plan, folder: Path) -> list[Step]:
    return list(fit(stage, plan, folder))


def state(folder: Path) -> dict[str, Tensor]:
    path = checkpoint.latest(folder)
    assert path is not None
    return checkpoint.read(path).tensors


PLAN = Plan(steps=30, warmup=5, watch_every=10)


class Stop(Exception):
    """Stands for a kill."""


@pytest.mark.parametrize("precision", ["bf16", "fp32"])
@pytest.mark.parametrize("accumulate", [1, 2])
@pytest.mark.parametrize("cut", [1, 11, 29])
def test_a_stopped_run_goes_on_with_the_same_bits(
    tmp_path: Path, cut: int, precision: str, accumulate: int
) -> None:
    plan = Plan(
        steps=30,
        warmup=5,
        watch_every=10,
        precision=precision,  # pyright: ignore
        accumulate=accumulate,
        save_minutes=0,
        schedule="constant" if accumulate > 1 else "flat_cosine",
    )
    trained(Regression(), plan, tmp_path / "whole")
    part = Regression()
    original = part.loss

    def stopping(step: int) -> dict[str, Tensor]:
        if step == cut * accumulate:
            raise Stop
        return original(step)

    part.loss = stopping  # pyright: ignore
    with pytest.raises(Stop):
        trained(part, plan, tmp_path / "parts")
    trained(Regression(), plan, tmp_path / "parts")
    whole, parts = state(tmp_path / "whole"), state(tmp_path / "parts")
    assert whole.keys() == parts.keys()
    assert all(torch.equal(whole[key], parts[key]) for key in whole)


def test_it_learns(tmp_path: Path) -> None:
    part = Regression()
    trained(part, Plan(steps=300, learning_rate=1e-2, warmup=10), tmp_path)
    assert part.seen[-1] < 0.05 * part.seen[0]


def test_the_average_is_what_is_loaded(tmp_path: Path) -> None:
    part = Regression()
    trained(part, PLAN, tmp_path)
    fresh = Regression().module
    assert load_average(fresh, tmp_path) == 30
    stored = state(tmp_path)
    assert torch.equal(fresh[0].weight, stored["average/0.weight"])
    assert not torch.equal(stored["average/0.weight"], stored["weights/0.weight"])
    assert torch.equal(fresh[1].running_mean, part.module[1].running_mean)
    assert float(fresh[1].running_mean.abs().max()) > 0


def test_a_loss_that_is_not_finite_stops_with_the_term_and_keeps_the_checkpoint(tmp_path: Path) -> None:
    plan = Plan(steps=30, warmup=5, watch_every=10, save_minutes=0)
    with pytest.raises(RunError, match=r"step 8: squared is nan.*checkpoint is .*step-0000000"):
        trained(Regression(broken_at=7), plan, tmp_path)
    trained(Regression(), plan, tmp_path)
    trained(Regression(), plan, tmp_path / "whole")
    assert all(torch.equal(value, state(tmp_path / "whole")[key]) for key, value in state(tmp_path).items())


def test_an_interrupt_saves_the_last_whole_step_and_goes_on_with_the_same_bits(tmp_path: Path) -> None:
    part = Regression()
    original = part.loss

    def interrupted(step: int) -> dict[str, Tensor]:
        if step == 11:
            raise KeyboardInterrupt
        return original(step)

    part.loss = interrupted  # pyright: ignore
    with pytest.raises(KeyboardInterrupt):
        trained(part, PLAN, tmp_path / "parts")
    path = checkpoint.latest(tmp_path / "parts")
    assert path is not None
    assert path.name == "step-00000011"
    trained(Regression(), PLAN, tmp_path / "parts")
    trained(Regression(), PLAN, tmp_path / "whole")
    whole, parts = state(tmp_path / "whole"), state(tmp_path / "parts")
    assert all(torch.equal(whole[key], parts[key]) for key in whole)


class Packed(Regression):
    """Without a norm over the batch, so that micro-steps may go together."""

    def __init__(self, fits: int = 8) -> None:
        super().__init__()
        self.module = nn.Sequential(self.module[0], *self.module[2:])
        self.fits = fits
        self.packs: list[int] = []

    def losses(self, steps: Sequence[int]) -> list[dict[str, Tensor]]:
        self.packs.append(len(steps))
        if len(steps) > self.fits:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return [self.loss(step) for step in steps]


def test_micro_steps_go_together_and_give_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan, notes = Plan(steps=3, warmup=1, accumulate=6, precision="fp32"), []
    stage, halved, single = Packed(), Packed(fits=2), Packed()
    list(fit(stage, plan, tmp_path / "packed"))
    assert stage.packs == [4, 2] * 3  # powers of two
    list(fit(halved, plan, tmp_path / "halved", note=notes.append))
    assert halved.packs == [4, *[2] * 9] and notes == ["out of memory: going on with 2 micro-steps at once"]
    monkeypatch.setattr(packing, "total_memory", lambda: 1)
    list(fit(single, plan, tmp_path / "single"))
    assert single.packs == []
    for other in ("packed", "halved"):
        for key, value in state(tmp_path / "single").items():
            assert torch.allclose(value.float(), state(tmp_path / other)[key].float(), atol=1e-6), key


def test_what_is_kept_for_the_backward_pass_is_counted_once() -> None:
    weight = torch.randn(10, 10, requires_grad=True)
    x = torch.randn(5, 10)
    assert packing.saved_bytes(lambda: (x @ weight) + (x @ weight)) == 4 * x.numel()
    with torch.no_grad():
        assert packing.saved_bytes(lambda: x @ weight) == 0


def test_the_learning_rate_warms_up_and_the_terms_are_told(tmp_path: Path) -> None:
    steps = trained(Regression(), Plan(steps=6, learning_rate=1.0, warmup=4, schedule="constant"), tmp_path)
    assert [step.rate for step in steps] == [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]
    assert steps[0].terms.keys() == {"squared", "absolute"}
    assert steps[0].gradient_norm > 0
    assert steps[-1].watched.keys() == {"norm"}


def test_each_terms_own_gradient_is_measured_and_changes_nothing(tmp_path: Path) -> None:
    plan = Plan(steps=4, warmup=1, precision="fp32", norms_every=2)
    steps = trained(Regression(), plan, tmp_path / "measured")
    assert [set(step.term_norms) for step in steps] == [set(), {"squared", "absolute"}] * 2
    trained(Regression(), Plan(steps=1, warmup=1, precision="fp32"), tmp_path / "one")
    stage = Regression()
    stage.module.load_state_dict(
        {k[8:]: v for k, v in state(tmp_path / "one").items() if k[:8] == "weights/"}, strict=False
    )
    stage.module.train()
    stage.loss(1)["absolute"].backward()
    norm = torch.stack([p.grad.norm() for p in stage.module.parameters() if p.grad is not None]).norm()
    assert steps[1].term_norms["absolute"] == pytest.approx(float(norm), rel=1e-4)


def test_accumulated_gradients_are_those_of_the_mean_loss(tmp_path: Path) -> None:
    plan = Plan(steps=1, warmup=1, accumulate=2, precision="fp32", clip_norm=1e9)
    (step,) = trained(Regression(), plan, tmp_path)
    stage = Regression()
    stage.module.train()
    halves = [torch.stack(list(stage.loss(k).values())).sum() / 2 for k in (0, 1)]
    torch.stack(halves).sum().backward()
    norm = torch.stack([p.grad.norm() for p in stage.module.parameters() if p.grad is not None]).norm()
    assert step.gradient_norm == pytest.approx(float(norm), rel=1e-5)
