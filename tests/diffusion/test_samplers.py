"""Every sampler against diffusers' scheduler over whole runs, in float64."""

import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import (
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    EulerAncestralDiscreteScheduler,
    EulerDiscreteScheduler,
    LCMScheduler,
    TCDScheduler,
    UniPCMultistepScheduler,
)
from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import rescale_noise_cfg
from torch import Tensor

from frameweave.diffusion.samplers.names import SAMPLERS, SamplerName, Spacing
from frameweave.diffusion.samplers.sampler import Sampler
from frameweave.diffusion.sampling import Path, Resumed, noise_of, rescaled, run, said_of
from frameweave.diffusion.schedule import Schedule, Window
from frameweave.diffusion.scheduler_config import Prediction
from frameweave.diffusion.spacing import shown
from frameweave.errors import InputError
from tests_shared import SD

THEIRS: dict[str, tuple[Any, dict[str, object]]] = {
    "ddim": (DDIMScheduler, {"clip_sample": False}),
    "euler": (EulerDiscreteScheduler, {}),
    "euler_a": (EulerAncestralDiscreteScheduler, {}),
    "dpmpp_2m": (DPMSolverMultistepScheduler, {}),
    "dpmpp_2m_sde": (DPMSolverMultistepScheduler, {"algorithm_type": "sde-dpmsolver++"}),
    "unipc": (UniPCMultistepScheduler, {}),
    "lcm": (LCMScheduler, {}),
    "tcd": (TCDScheduler, {}),
}
SPACINGS: tuple[Spacing, ...] = ("leading", "trailing", "linspace", "karras")
_OWN_TIMESTEPS, _PREDICTIONS = ("lcm", "tcd"), ("epsilon", "v_prediction", "sample")


def _has_diffusers(name: SamplerName, spacing: Spacing, steps: int, prediction: Prediction) -> bool:
    """Its DDIM steps by 1000 // steps timesteps, not to the next one; see the test of that below."""
    if name == "ddim" and (spacing in ("linspace", "karras") or (spacing == "trailing" and 1000 % steps)):
        return False
    if name == "euler_a" and (spacing == "karras" or prediction == "sample"):
        return False
    return name not in _OWN_TIMESTEPS or spacing == "leading"


RUNS = [run for run in product(SAMPLERS, SPACINGS, (4, 7, 20), _PREDICTIONS) if _has_diffusers(*run)]


class _Doubled:
    """A library whose float32 is float64."""

    def __init__(self, library: Any, double: Any) -> None:
        self._library, self.float32 = library, double

    def __getattr__(self, name: str) -> Any:
        return getattr(self._library, name)


@contextmanager
def doubled(kind: type, draw: Any) -> Generator[None, None, None]:
    """Diffusers' samplers round to float32 on their way; here they do not, and draw what is given."""
    module = sys.modules[kind.__module__]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "torch", _Doubled(torch, torch.float64))
        patch.setattr(module, "np", _Doubled(np, np.float64))
        if hasattr(module, "randn_tensor"):
            patch.setattr(module, "randn_tensor", lambda *_, **__: draw())
        yield


def net(x: Tensor, t: float) -> Tensor:
    """What a network might say, which depends on the timestep too."""
    return (x * (0.7 + 0.2 * np.cos(t / 90))).tanh() + 0.1 * np.sin(t / 50)


def draws(seed: int, shape: tuple[int, ...]) -> Any:
    rng = torch.Generator().manual_seed(seed)
    return lambda: torch.randn(shape, generator=rng, dtype=torch.float64)


def by_diffusers(
    name: str, spacing: Spacing, said: dict[str, object], steps: int, x: Tensor, first: int = 0, **more: Any
) -> Tensor:
    """The latents in unit variance, from the `first` of the steps on."""
    kind, own = THEIRS[name]
    karras = {"use_karras_sigmas": True, "timestep_spacing": "linspace"} if spacing == "karras" else {}
    spaced = {} if spacing == "karras" else {"timestep_spacing": spacing}
    schedule = Schedule.from_config(said)
    shape = tuple(x.shape)
    draw = draws(7, shape)
    with doubled(kind, draw):
        theirs = kind.from_config(said | spaced | karras | own)
        theirs.alphas_cumprod = schedule.alpha_bar.double()
        theirs.final_alpha_cumprod = torch.tensor(schedule.final, dtype=torch.float64)
        theirs.set_timesteps(steps)
        visited = theirs.timesteps[first:]
        scaled = name in ("euler", "euler_a")
        if scaled:
            sigma = theirs.sigmas[first]
            x = x * (1 + sigma**2) ** 0.5
        if hasattr(theirs, "set_begin_index"):
            theirs.set_begin_index(first)
        for t in visited.tolist():
            out = net(theirs.scale_model_input(x, t), t)
            x = theirs.step(out, t, x, **more).prev_sample
    return x


def ours(
    sampler: Sampler, spacing: Spacing, said: dict[str, object], steps: int, x: Tensor, first: int = 0
) -> Tensor:
    schedule = replace(sampler.on(Schedule.from_config(said)), spacing=spacing)
    prediction: Prediction = said.get("prediction_type", "epsilon")  # type: ignore[assignment]

    def eps(x: Tensor, t: float) -> Tensor:
        return noise_of(net(x, shown(t)), x, schedule.at(t), prediction)

    path = Path.of(schedule, steps, schedule.timesteps(steps)[first:], final=sampler.final)
    return run(eps, x, path, sampler.step, draws(7, tuple(x.shape)))


def start() -> Tensor:
    return torch.randn(2, 4, 2, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("name", "spacing", "steps", "prediction"), RUNS)
def test_runs_are_those_of_diffusers(
    name: SamplerName, spacing: Spacing, steps: int, prediction: Prediction
) -> None:
    said = SD | {"prediction_type": prediction}
    found = ours(Sampler(name), spacing, said, steps, start())
    expected = by_diffusers(name, spacing, said, steps, start())
    assert torch.allclose(found, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
@pytest.mark.parametrize("name", ["euler", "dpmpp_2m", "dpmpp_2m_sde", "unipc"])
def test_runs_from_the_middle_are_those_of_diffusers(name: SamplerName, prediction: str) -> None:
    """As in img2img: no step before the first is remembered."""
    said = SD | {"prediction_type": prediction}
    for spacing in SPACINGS:
        found = ours(Sampler(name), spacing, said, 7, start(), first=3)
        assert torch.allclose(found, by_diffusers(name, spacing, said, 7, start(), first=3), atol=1e-9)


@pytest.mark.parametrize("name", ["ddim", "euler", "dpmpp_2m", "unipc"])
def test_runs_without_signal_at_the_start_are_those_of_diffusers(name: SamplerName) -> None:
    said = SD | {"prediction_type": "v_prediction", "rescale_betas_zero_snr": True}
    found = ours(Sampler(name), "trailing", said, 20, start())
    assert torch.allclose(found, by_diffusers(name, "trailing", said, 20, start()), atol=1e-7)


@pytest.mark.parametrize(("name", "eta"), [("ddim", 0.5), ("ddim", 1.0), ("tcd", 0.0), ("tcd", 1.0)])
def test_fresh_noise_is_that_of_diffusers(name: SamplerName, eta: float) -> None:
    found = ours(Sampler(name, eta=eta), "leading", SD, 7, start())
    assert torch.allclose(found, by_diffusers(name, "leading", SD, 7, start(), eta=eta), atol=1e-9)


@pytest.mark.parametrize("spacing", ["leading", "trailing", "karras"])
def test_ddim_goes_to_the_next_timestep(spacing: Spacing) -> None:
    """As Euler does, which it is but for where it ends."""
    said = SD | {"set_alpha_to_one": True}
    found = ours(Sampler("ddim"), spacing, said, 7, start())
    assert torch.allclose(found, by_diffusers("euler", spacing, said, 7, start()), atol=1e-9)


def test_first_timesteps_are_those_that_are_known() -> None:
    schedule = Schedule.from_config(SD)
    visited = {name: Sampler(name).on(schedule).timesteps(20)[0] for name in ("ddim", "euler", "dpmpp_2m")}
    assert visited == {"ddim": 951, "euler": 951, "dpmpp_2m": 941}
    assert Sampler("lcm").on(schedule).timesteps(4) == [999, 759, 499, 259]
    assert replace(Sampler("euler").on(schedule), spacing="trailing").timesteps(4) == [999, 749, 499, 249]
    assert replace(Sampler("euler").on(schedule), spacing="trailing").timesteps(1) == [999]


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_run_goes_on_with_what_is_remembered(name: SamplerName) -> None:
    """Stopped after every step in turn, and begun again from the tensor that was handed over."""
    sampler = Sampler(name)
    schedule = replace(sampler.on(Schedule.from_config(SD)), spacing="trailing")
    path = Path.of(schedule, 5, schedule.timesteps(5), final=sampler.final)
    rng, kept = torch.Generator().manual_seed(1), dict[int, tuple[Tensor, Tensor]]()

    def noise() -> Tensor:
        return torch.randn((2, 4, 2, 2), generator=rng, dtype=torch.float64)

    def keep(done: int, x: Tensor, expected: Tensor) -> None:
        kept[done] = x, rng.get_state()

    whole = run(net, start(), path, sampler.step, noise, resumed=Resumed(after=keep))
    for done in range(1, 5):
        x, state = kept[done]
        rng.set_state(state)
        memory = tuple(x[2:].split(2)) if len(x) > 2 else ()
        again = run(net, x[:2], path, sampler.step, noise, resumed=Resumed(done, memory))
        assert torch.equal(again, whole)


@pytest.mark.parametrize(
    ("name", "steps", "told"),
    [
        ("lcm", 51, "51 steps, expected 1 to 50"),
        ("dpmpp_2m", 1000, "1000 steps, expected fewer"),
        ("euler", 1001, "1001 steps, expected 1 to 1000"),
    ],
)
def test_too_many_steps_are_refused(name: SamplerName, steps: int, told: str) -> None:
    with pytest.raises(InputError, match=told):
        Sampler(name).on(Schedule.from_config(SD)).timesteps(steps)


def test_a_sampler_that_makes_no_sense_is_refused() -> None:
    with pytest.raises(InputError, match="eta with the sampler euler, expected ddim or tcd"):
        Sampler("euler", eta=0.5)
    with pytest.raises(InputError, match="eta is 2, expected 0 to 1"):
        Sampler("ddim", eta=2)
    with pytest.raises(InputError, match="guidance_rescale is -1, expected 0 to 1"):
        Sampler(guidance_rescale=-1)


def test_what_a_network_says_and_the_noise_that_it_means_are_each_other_s_inverse() -> None:
    x, eps = start(), start().flip(0)
    for kind in ("epsilon", "v_prediction", "sample"):
        assert torch.allclose(noise_of(said_of(eps, x, 0.3, kind), x, 0.3, kind), eps, atol=1e-12)


@pytest.mark.parametrize("share", [0.0, 0.7, 1.0])
def test_guidance_is_rescaled_as_by_diffusers(share: float) -> None:
    out, out_cond = start(), 0.3 * start().flip(0)
    expected = rescale_noise_cfg(out, out_cond, guidance_rescale=share)
    assert torch.allclose(rescaled(out, out_cond, share), expected, atol=1e-12)


@pytest.mark.parametrize("steps", [1, 2, 13, 30, 50, 99])
@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("name", ["ddim", "euler", "euler_a", "dpmpp_2m", "unipc", "lcm", "tcd"])
def test_timesteps_are_those_of_diffusers(name: SamplerName, spacing: Spacing, steps: int) -> None:
    if not _has_diffusers(name, spacing, 4, "epsilon") or (name in _OWN_TIMESTEPS and steps > 50):
        return
    if steps == 1 and (name, spacing) in product(("euler", "euler_a"), ("linspace", "karras")):
        return  # its single step would start at timestep 0, where no noise is left
    kind, own = THEIRS[name]
    karras = {"use_karras_sigmas": True, "timestep_spacing": "linspace"}
    with doubled(kind, lambda: None):
        theirs = kind.from_config(
            SD | own | (karras if spacing == "karras" else {"timestep_spacing": spacing})
        )
        theirs.alphas_cumprod = Schedule.from_config(SD).alpha_bar.double()
        theirs.set_timesteps(steps)
    schedule = replace(Sampler(name).on(Schedule.from_config(SD)), spacing=spacing)
    found = [shown(t) for t in schedule.timesteps(steps)]
    assert found == pytest.approx(theirs.timesteps.tolist()[:steps], abs=1e-3)


@pytest.mark.parametrize("name", ["ddim", "dpmpp_2m", "euler"])
@pytest.mark.parametrize("spacing", SPACINGS)
def test_a_window_by_share_holds_its_share_of_any_timesteps(name: SamplerName, spacing: Spacing) -> None:
    schedule = replace(Sampler(name).on(Schedule.from_config(SD)), spacing=spacing)
    for steps in (4, 20):
        visited = [shown(t) for t in schedule.timesteps(steps)]
        assert Window(0.75, 1.0).by_share(visited).active(visited) == steps // 4
        assert Window(0.25, 0.5).by_share(visited).active(visited) == steps // 4
        assert Window(0.0, 0.5).by_share(visited).active(visited) == steps // 2
