"""The model's verbs against the stock pipeline's parts."""

from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest
import torch
from diffusers import StableDiffusionPipeline

from frameweave.diffusion.sampling import guided, sample
from frameweave.editors.registry import make
from frameweave.editors.running import request_of
from frameweave.errors import InputError, ModelFolderError, NotFinite
from frameweave.models.loading.load import load
from frameweave.models.seam import Guides
from frameweave.models.stable_diffusion import StableDiffusion
from golden_cases import rng


def test_same_pictures_as_the_stock_pipeline(tiny: StableDiffusion, tiny_folder: Path) -> None:
    pipeline = StableDiffusionPipeline.from_pretrained(
        tiny_folder, safety_checker=None, requires_safety_checker=False
    )
    pipeline.set_progress_bar_config(disable=True)
    x_T = torch.randn(2, 4, 16, 16, generator=torch.Generator().manual_seed(3))
    expected = pipeline(
        ["a red car"] * 2,
        negative_prompt=["night"] * 2,
        latents=x_T,
        num_inference_steps=4,
        guidance_scale=5.0,
        output_type="pt",
    ).images
    states = tiny.conditioning(["night", "a red car"])

    def eps(x: torch.Tensor, t: int) -> torch.Tensor:
        uncond, cond = tiny.predict(x, t, states)
        return guided(uncond, cond, 5.0)

    ours = tiny.decode(sample(eps, x_T, tiny.schedule, 4))
    assert float((ours - expected).abs().max()) < 1e-4


def test_batched_encoding_is_that_of_single_frames(tiny: StableDiffusion) -> None:
    frames = torch.rand(5, 3, 16, 16)
    one_by_one = torch.cat([tiny.encode(frame[None]) for frame in frames])
    assert torch.allclose(tiny.encode(frames), one_by_one, atol=1e-5)


def test_frames_of_a_wrong_size(tiny: StableDiffusion) -> None:
    with pytest.raises(InputError, match="17 x 16 pixels, expected multiples of 2"):
        tiny.encode(torch.rand(1, 3, 16, 17))


def test_a_sample_of_the_posterior_is_that_of_diffusers(tiny: StableDiffusion) -> None:
    frames = torch.rand(3, 3, 16, 12)
    with torch.no_grad():
        found = tiny.vae.encode(frames * 2 - 1, return_dict=False)[0].sample(rng())
    noise = torch.randn(found.shape, generator=rng())
    expected = found * tiny.vae.config["scaling_factor"]
    assert torch.allclose(tiny.encode(frames, noise), expected, atol=1e-5)
    assert not torch.allclose(tiny.encode(frames), expected, atol=1e-3)
    source = request_of(
        make("tokenflow", {}),
        frames,
        tiny,
        prompt="x",
        rng=torch.Generator(),
        draws={"posterior_noise": noise},
    )
    assert torch.allclose(source.x_0, expected, atol=1e-5)


def test_a_long_prompt_says_what_is_cut(tiny: StableDiffusion) -> None:
    words = " ".join(["red"] * 30)
    assert tiny.conditioning([f"{words} car"]).cut == ("car",)
    assert tiny.conditioning(["a red car"]).cut == ("",)


def test_latents_that_are_no_numbers_make_no_black_pictures(tiny: StableDiffusion) -> None:
    x_0 = torch.zeros(3, 4, 8, 8)
    x_0[1, 0, 0, 0] = float("nan")
    with pytest.raises(NotFinite, match="1 of 3 decoded frames") as raised:
        tiny.decode(x_0)
    assert "--guidance" in raised.value.hint
    with pytest.raises(NotFinite) as raised:
        replace(tiny, unet=deepcopy(tiny.unet).half()).decode(x_0)
    assert "--dtype bf16" in raised.value.hint


def test_depth_without_a_controlnet(tiny: StableDiffusion) -> None:
    bare = replace(tiny, controls=())
    with pytest.raises(ModelFolderError, match="no depth ControlNet"):
        guided = bare.conditioning(["x"], Guides(maps={"depth": torch.rand(1, 1, 8, 8)}))
        bare.predict(torch.randn(1, 4, 4, 4), 5, guided)


def test_v_prediction_is_turned_into_epsilon(tiny: StableDiffusion) -> None:
    """A UNet's output v means eps = sqrt(a) v + sqrt(1 - a) x_t."""
    as_v = replace(tiny, prediction="v_prediction")
    x, states = torch.randn(1, 4, 4, 4), tiny.conditioning(["x"])
    a = tiny.schedule.at(300)
    expected = a**0.5 * tiny.predict(x, 300, states) + (1 - a) ** 0.5 * x
    assert torch.allclose(as_v.predict(x, 300, states), expected, atol=1e-5)


@pytest.mark.parametrize("dtype", ["fp16", "bf16"])
def test_half_precision_is_near(tiny: StableDiffusion, tiny_folder: Path, dtype: str) -> None:
    half = load(str(tiny_folder), dtype=dtype, device="cpu")
    x = torch.randn(1, 4, 8, 8)
    full = tiny.predict(x, 500, tiny.conditioning(["a red car"]))
    rough = half.predict(x, 500, half.conditioning(["a red car"]))
    assert float((rough - full).abs().mean()) < 0.05 * float(full.abs().mean()) + 0.01


@pytest.mark.parametrize(
    ("dtype", "latents"),
    [("fp16", torch.float32), ("bf16", torch.float32), ("fp32", torch.float32), ("fp64", torch.float64)],
)
def test_latents_are_never_of_half_precision(tiny_folder: Path, dtype: str, latents: torch.dtype) -> None:
    model = load(str(tiny_folder), dtype=dtype, device="cpu")
    x = model.encode(torch.rand(2, 3, 32, 32))
    eps = model.predict(x, 500, model.conditioning(["a red car"]))
    noise = model.noise((2, 4, 4, 4), torch.Generator())
    assert {x.dtype, eps.dtype, noise.dtype, model.dtype} == {latents}
    assert model.precision == next(model.unet.parameters()).dtype


@pytest.mark.parametrize("dtype", ["fp16", "bf16"])
def test_what_half_precision_cannot_tell_apart_stays_apart(tiny_folder: Path, dtype: str) -> None:
    """Both are 1 for the networks; the noise is partly the latents themselves where v is predicted."""
    model = replace(load(str(tiny_folder), dtype=dtype, device="cpu"), prediction="v_prediction")
    t, conditioning, ones = 999, model.conditioning(["a red car"]), torch.ones(1, 4, 8, 8)
    change = model.predict(ones + 1e-4, t, conditioning) - model.predict(ones, t, conditioning)
    share = (1 - model.schedule.at(t)) ** 0.5
    assert torch.allclose(change, torch.full_like(change, share * 1e-4), rtol=0.02, atol=1e-7)


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction", "sample"])
def test_each_frame_may_have_a_timestep_of_its_own(
    tiny: StableDiffusion, prediction: Literal["epsilon", "v_prediction", "sample"]
) -> None:
    model, x, timesteps = (
        replace(tiny, prediction=prediction),
        torch.randn(3, 4, 8, 8),
        [999, 500, 1],
    )
    depth = torch.rand(3, 1, 16, 16)
    given = model.conditioning(["", "x"], Guides(maps={"depth": depth}))
    together = model.predict(x, torch.tensor(timesteps), given)
    for k, t in enumerate(timesteps):
        alone = model.predict(x[k : k + 1], t, given.of(slice(k, k + 1)))
        assert torch.allclose(together[:, k], alone[:, 0], rtol=1e-4, atol=1e-4)
