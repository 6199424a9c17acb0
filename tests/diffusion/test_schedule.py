"""alpha_bar and timesteps against diffusers' scheduler."""

import re
from typing import Any

import pytest
import torch
from diffusers import (
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    EulerAncestralDiscreteScheduler,
    EulerDiscreteScheduler,
    UniPCMultistepScheduler,
)

from frameweave.diffusion.samplers.names import SamplerName
from frameweave.diffusion.samplers.sampler import Sampler
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


@pytest.mark.parametrize("steps", [1, 2, 4, 7, 30, 48, 50, 103, 999, 1000])
@pytest.mark.parametrize("spacing", ["trailing", "linspace"])
def test_other_spacings_are_those_of_diffusers(spacing: str, steps: int) -> None:
    theirs = DDIMScheduler(**SD, timestep_spacing=spacing)
    theirs.set_timesteps(steps)
    ours = Schedule.from_config(SD | {"timestep_spacing": spacing})
    assert ours.timesteps(steps) == theirs.timesteps.tolist()[:steps]  # of 103 it gives 104
    assert [ours.before(t, steps) for t in ours.timesteps(steps)] == [*ours.timesteps(steps)[1:], -1]


@pytest.mark.parametrize(
    "changes",
    [
        {"trained_betas": [0.001, 0.004, 0.01], "num_train_timesteps": 3},
        {"rescale_betas_zero_snr": True, "prediction_type": "v_prediction"},
        {"beta_schedule": "linear", "rescale_betas_zero_snr": True, "prediction_type": "sample"},
        {"num_train_timesteps": 500, "steps_offset": 3},
        {"set_alpha_to_one": None, "timestep_spacing": None, "trained_betas": None},
    ],
)
def test_levels_of_other_settings_are_those_of_diffusers(changes: dict[str, object]) -> None:
    said = {key: value for key, value in (SD | changes).items() if value is not None}
    theirs, ours = DDIMScheduler(**said), Schedule.from_config(SD | changes)
    assert torch.allclose(ours.alpha_bar, theirs.alphas_cumprod, rtol=1e-6, atol=1e-7)
    assert ours.final == pytest.approx(float(theirs.final_alpha_cumprod))


def test_betas_that_a_model_was_trained_with_come_first() -> None:
    ours = Schedule.from_config({"trained_betas": [0.1, 0.5], "num_train_timesteps": 2})
    assert ours.alpha_bar.tolist() == pytest.approx([0.9, 0.45])


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"prediction_type": "flow_prediction"}, "prediction_type 'flow_prediction'"),
        ({"timestep_spacing": "karras"}, "timestep_spacing 'karras'"),
        ({"clip_sample": True}, "clip_sample True"),
        ({"thresholding": True}, "thresholding True"),
        ({"use_flow_sigmas": True}, "use_flow_sigmas True"),
        ({"_class_name": "FlowMatchEulerDiscreteScheduler"}, "FlowMatchEulerDiscreteScheduler"),
        ({"trained_betas": [0.1, 0.2]}, "trained_betas has 2 values, expected 1000"),
        ({"rescale_betas_zero_snr": True}, "prediction_type epsilon with betas that leave nothing"),
        ({"steps_offset": -1}, "steps_offset -1"),
        ({"steps_offset": 1000}, "steps_offset is 1000, expected less than 1000"),
        ({"beta_end": "much"}, "beta_end 'much'"),
        ({"num_train_timesteps": [1000]}, "num_train_timesteps"),
    ],
)
def test_settings_that_cannot_be_done_are_refused_by_name(changes: dict[str, object], told: str) -> None:
    with pytest.raises(ModelFolderError, match=re.escape(told)):
        Schedule.from_config(SD | changes)


def test_half_precision_is_too_coarse_only_where_a_sampler_starts_without_signal() -> None:
    zero = SD | {"rescale_betas_zero_snr": True, "prediction_type": "v_prediction"}
    assert Schedule.from_config(zero | {"timestep_spacing": "trailing"}).needs_precision
    assert not Schedule.from_config(zero).needs_precision
    assert not Schedule.from_config(SD | {"timestep_spacing": "trailing"}).needs_precision


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


@pytest.mark.parametrize(("side", "share"), [(16, 0.574), (64, 0.9), (32, 0.754)])
def test_smaller_latents_are_as_noisy_earlier(side: int, share: float) -> None:
    """By hand: SNR 0.0144 at 0.9 T, 16 times that for a quarter of the side."""
    schedule = Schedule.from_config(SD)
    found = schedule.equal_noise(0.9, side)
    assert found == pytest.approx(share, abs=1e-3)
    snr = [a / (1 - a) for a in (schedule.at(found * 1000), schedule.at(900))]
    assert snr[0] == pytest.approx(snr[1] * (64 / side) ** 2, rel=0.01)
    assert schedule.equal_noise(1.0, side) == 1.0


def test_no_timestep_is_noisy_enough_for_much_larger_latents() -> None:
    with pytest.raises(InputError, match=r"no timestep of this model is as noisy for latents of 128 x 128"):
        Schedule.from_config(SD).equal_noise(0.9, 128)


@pytest.mark.parametrize(
    ("scheduler", "name"),
    [
        (EulerDiscreteScheduler, "euler"),
        (EulerAncestralDiscreteScheduler, "euler_a"),
        (DPMSolverMultistepScheduler, "dpmpp_2m"),
        (UniPCMultistepScheduler, "unipc"),
        (DDIMScheduler, "ddim"),
    ],
)
def test_a_spacing_that_is_not_said_is_that_of_the_class(scheduler: Any, name: SamplerName) -> None:
    """As in files of before it was a setting; where DDIM samples, it is DDIM's."""
    ours = Schedule.from_config(SD | {"_class_name": scheduler.__name__})
    assert ours.own == name and ours.spacing == "leading"
    theirs = scheduler.from_config(SD)
    theirs.set_timesteps(5)
    found = Sampler(name, spacing=ours.own_spacing).on(ours).timesteps(5)
    assert torch.allclose(torch.tensor(found).float(), theirs.timesteps.float(), atol=1e-3)
    said = Schedule.from_config(SD | {"_class_name": scheduler.__name__, "timestep_spacing": "trailing"})
    assert (said.spacing, said.own_spacing) == ("trailing", None)
