"""Noise levels against diffusers' scheduler."""

import pytest
import torch
from diffusers import DDIMScheduler

from frameweave.diffusion.schedule import Schedule, Window
from frameweave.errors import InputError, ModelFolderError
from tests_shared import SD


@pytest.mark.parametrize("steps", [1, 3, 20, 25, 50, 333, 999])
@pytest.mark.parametrize(
    "changes", [{}, {"steps_offset": 0}, {"beta_schedule": "linear", "set_alpha_to_one": True}]
)
def test_levels_are_those_of_diffusers(steps: int, changes: dict[str, object]) -> None:
    theirs = DDIMScheduler(**(SD | changes), clip_sample=False)
    theirs.set_timesteps(steps)
    ours = Schedule.from_config(SD | changes)
    assert ours.timesteps(steps) == theirs.timesteps.tolist()
    assert torch.allclose(ours.alpha_bar, theirs.alphas_cumprod, rtol=1e-6)
    assert ours.at(-1) == pytest.approx(float(theirs.final_alpha_cumprod))


def test_all_thousand_steps_stay_in_range() -> None:
    assert Schedule.from_config(SD).timesteps(1000) == list(range(999, -1, -1))


def test_noise_is_added_as_diffusers_adds_it() -> None:
    theirs = DDIMScheduler(**SD)
    x, eps = torch.randn(2, 4, 3, 3), torch.randn(2, 4, 3, 3)
    expected = theirs.add_noise(x, eps, torch.tensor([700, 700]))
    assert torch.allclose(Schedule.from_config(SD).add_noise(x, eps, 700), expected, atol=1e-6)


def test_renoising_twice_has_the_variance_of_noising_once() -> None:
    """For unit-variance x_0 every x_t has unit variance, however many hops led there."""
    schedule = Schedule.from_config(SD)
    generator = torch.Generator().manual_seed(0)
    x, first, second = (torch.randn(200_000, generator=generator) for _ in range(3))
    hop = schedule.renoise(schedule.add_noise(x, first, 300), second, 300, 800)
    assert float(hop.var()) == pytest.approx(1, abs=0.02)
    correlation = float((hop * x).mean())
    assert correlation == pytest.approx(schedule.at(800) ** 0.5, abs=0.01)


@pytest.mark.parametrize("steps", [0, -1, 1001])
def test_impossible_step_counts_are_refused(steps: int) -> None:
    with pytest.raises(InputError, match="expected 1 to 1000"):
        Schedule.from_config(SD).timesteps(steps)


def test_unknown_betas_are_refused() -> None:
    with pytest.raises(ModelFolderError, match="squaredcos"):
        Schedule.from_config(SD | {"beta_schedule": "squaredcos_cap_v2"})


def test_betas_that_are_not_said_are_not_guessed() -> None:
    for name in ("beta_start", "beta_end", "beta_schedule"):
        with pytest.raises(ModelFolderError, match=f"without {name}"):
            Schedule.from_config({key: value for key, value in SD.items() if key != name})


@pytest.mark.parametrize(
    ("steps", "expected"), [(100, 10), (50, 5), (30, 2), (25, 2), (20, 2), (10, 1), (8, 0), (4, 0)]
)
def test_the_window_counts_the_steps_that_the_paper_facts_give(steps: int, expected: int) -> None:
    schedule = Schedule(torch.linspace(0.999, 0.005, 1000), 1.0)
    assert Window().active(schedule.timesteps(steps)) == expected


@pytest.mark.parametrize(("low", "high"), [(-0.1, 1), (0.9, 0.9), (0.5, 1.1)])
def test_an_impossible_window_is_refused(low: float, high: float) -> None:
    with pytest.raises(InputError, match="expected 0 <= low < high <= 1"):
        Window(low, high)


def test_the_window_decides_by_value() -> None:
    window = Window(0.5, 0.6, 100)
    assert [t for t in range(100) if t in window] == list(range(49, 60))
    assert window.values == (50, 59)


@pytest.mark.parametrize("steps", [1, 4, 8, 10, 20, 30, 50, 999, 1000])
@pytest.mark.parametrize(("low", "high"), [(0.9, 1.0), (0.7, 1.0), (0.5, 0.8), (0.0, 1.0)])
def test_a_window_by_share_holds_that_share_of_the_steps(steps: int, low: float, high: float) -> None:
    timesteps = Schedule(torch.linspace(0.999, 0.005, 1000), 1.0).timesteps(steps)
    window = Window(low, high).by_share(timesteps)
    first = -(-round(1000 * (1 - low)) * steps // 1000) or 1
    skipped = round(1000 * (1 - high)) * steps // 1000
    assert [t for t in timesteps if t in window] == timesteps[skipped:first]


def test_a_window_by_share_takes_fractions() -> None:
    timesteps = [999.0, 946.4211, 893.8421, 841.2632]
    assert Window().by_share(timesteps).active(timesteps) == 1
