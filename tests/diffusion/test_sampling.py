"""DDIM against diffusers and against Gaussians, whose exact noise prediction is known."""

import pytest
import torch
from diffusers import DDIMInverseScheduler, DDIMScheduler, EulerDiscreteScheduler

from frameweave.diffusion.inversion import invert
from frameweave.diffusion.sampling import ddim_step, guided, noise_of, sample
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


def _said(spacing: str, **changes: object) -> dict[str, object]:
    return SD | {"timestep_spacing": spacing, "set_alpha_to_one": True} | changes


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction", "sample"])
@pytest.mark.parametrize("steps", [4, 20])
def test_trailing_runs_are_those_of_diffusers(steps: int, prediction: str) -> None:
    """What a network says is turned into noise and stepped; diffusers steps by what it says itself."""
    changes = {} if prediction == "epsilon" else {"rescale_betas_zero_snr": True}
    said = _said("trailing", prediction_type=prediction, **changes)
    theirs, schedule = DDIMScheduler(**said, clip_sample=False), Schedule.from_config(said)
    theirs.alphas_cumprod = schedule.alpha_bar.double()
    theirs.set_timesteps(steps)
    rng = torch.Generator().manual_seed(0)
    x = start = torch.randn(2, 4, 2, 2, dtype=torch.float64, generator=rng)
    for t in theirs.timesteps.tolist():
        x = theirs.step((x * 0.9).tanh(), t, x).prev_sample
    found = sample(
        lambda x, t: noise_of((x * 0.9).tanh(), x, schedule.at(t), prediction), start, schedule, steps
    )
    assert torch.allclose(found, x, atol=1e-9)


@pytest.mark.parametrize(
    ("spacing", "steps"), [("linspace", 4), ("linspace", 38), ("trailing", 7), ("trailing", 30)]
)
def test_uneven_gaps_are_stepped_as_by_euler(spacing: str, steps: int) -> None:
    """From each timestep to the next one: DDIM and Euler are the same (x scaled by its variance)."""
    said = _said(spacing)
    theirs, schedule = EulerDiscreteScheduler.from_config(said), Schedule.from_config(said)
    theirs.set_timesteps(steps)
    x = torch.randn(2, 4, 2, 2, generator=torch.Generator().manual_seed(0))
    a = schedule.at(schedule.timesteps(steps)[0])
    found = sample(lambda x, _t: x.tanh(), x, schedule, steps)
    y = x / a**0.5
    for t in theirs.timesteps:
        y = theirs.step(theirs.scale_model_input(y, t).tanh(), t, y).prev_sample
    assert torch.allclose(found, y, rtol=1e-3, atol=1e-4)


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
    visited = schedule.timesteps(10)
    half = sample(eps, x, schedule, 10, timesteps=visited[:4])
    assert torch.equal(sample(eps, half, schedule, 10, timesteps=visited[4:]), sample(eps, x, schedule, 10))


def test_guidance_one_is_the_condition_and_zero_the_negative() -> None:
    a, b = torch.randn(3), torch.randn(3)
    assert torch.allclose(guided(a, b, 1.0), b)
    assert torch.equal(guided(a, b, 0.0), a)
    assert torch.allclose(guided(a, b, 7.5), a + 7.5 * (b - a))
