"""DDIM against diffusers and against Gaussians, whose exact noise prediction is known."""

import pytest
import torch
from diffusers import DDIMInverseScheduler, DDIMScheduler

from frameweave.diffusion.inversion import invert
from frameweave.diffusion.sampling import ddim_step, guided, sample
from frameweave.diffusion.schedule import Schedule
from tests_shared import SD, gaussian_eps


@pytest.fixture
def schedule() -> Schedule:
    return Schedule.from_config(SD)


def test_step_is_that_of_diffusers(schedule: Schedule) -> None:
    theirs = DDIMScheduler(**SD, clip_sample=False)
    theirs.set_timesteps(50)
    x, eps = torch.randn(1, 4, 4, 4), torch.randn(1, 4, 4, 4)
    for t in (981, 501, 1):
        expected = theirs.step(eps, t, x, eta=0).prev_sample
        ours = ddim_step(x, eps, schedule.at(t), schedule.at(schedule.before(t, 50)))
        assert torch.allclose(ours, expected, atol=1e-5)


def test_inversion_is_that_of_diffusers(schedule: Schedule) -> None:
    theirs = DDIMInverseScheduler(**SD, clip_sample=False)
    theirs.set_timesteps(20)
    eps = gaussian_eps(schedule, 0.3, 0.5)
    x = expected = torch.randn(3, 4, 2, 2, dtype=torch.float64)
    for t in theirs.timesteps.tolist():
        expected = theirs.step(eps(expected, t), t, expected).prev_sample
    assert torch.allclose(invert(eps, x, schedule, 20).noisiest, expected, atol=1e-6)


@pytest.mark.parametrize(("mean", "std"), [(0.0, 1.0), (2.0, 0.5), (-1.0, 0.05)])
def test_sampling_gives_the_gaussian_that_eps_belongs_to(schedule: Schedule, mean: float, std: float) -> None:
    noise = torch.randn(20_000, 1, 1, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    start = schedule.at(schedule.timesteps(250)[0])
    noise = noise * (start * std**2 + 1 - start) ** 0.5 + start**0.5 * mean
    x_0 = sample(gaussian_eps(schedule, mean, std), noise, schedule, 250)
    assert float(x_0.mean()) == pytest.approx(mean, abs=0.03)
    assert float(x_0.std()) == pytest.approx(std, rel=0.08, abs=0.01)


@pytest.mark.parametrize(("steps", "error"), [(50, 0.06), (200, 0.015)])
def test_inversion_and_sampling_come_back(schedule: Schedule, steps: int, error: float) -> None:
    eps = gaussian_eps(schedule, 0.5, 0.7)
    x_0 = torch.randn(64, 1, 1, 1, dtype=torch.float64) * 0.7 + 0.5
    back = sample(eps, invert(eps, x_0, schedule, steps).noisiest, schedule, steps)
    assert float((back - x_0).abs().max()) < error


def test_partial_runs_join_to_the_whole(schedule: Schedule) -> None:
    eps = gaussian_eps(schedule, 0.1, 0.9)
    x = torch.randn(2, 4, 2, 2, dtype=torch.float64)
    levels = schedule.timesteps(10)
    half = sample(eps, x, schedule, 10, timesteps=levels[:4])
    assert torch.equal(sample(eps, half, schedule, 10, timesteps=levels[4:]), sample(eps, x, schedule, 10))


def test_guidance_one_is_the_condition_and_zero_the_negative() -> None:
    a, b = torch.randn(3), torch.randn(3)
    assert torch.allclose(guided(a, b, 1.0), b)
    assert torch.equal(guided(a, b, 0.0), a)
    assert torch.allclose(guided(a, b, 7.5), a + 7.5 * (b - a))
