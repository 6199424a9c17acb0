"""Several ControlNets, each with a scale and a share of the steps, against diffusers' pipelines."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import (
    ControlNetModel,
    StableDiffusionControlNetPipeline,
    StableDiffusionXLControlNetPipeline,
)

from frameweave.diffusion.sampling import guided, sample
from frameweave.errors import InputError
from frameweave.models.control.controls import over_steps
from frameweave.models.loading.load import load
from frameweave.models.seam import Guides
from frameweave.models.stable_diffusion import StableDiffusion
from pipelines import by_our_schedule


def save_other(folder: Path, out: Path) -> Path:
    """The folder's ControlNet with other weights."""
    control = ControlNetModel.from_pretrained(folder / "controlnet")
    rng = torch.Generator().manual_seed(7)
    for weight in control.parameters():
        weight.data += 0.2 * torch.randn(weight.shape, generator=rng)
    control.save_pretrained(out)
    return out


def picture(seed: int, channels: int) -> torch.Tensor:
    """In double precision, of values that single precision has, since the pipelines round to it."""
    return torch.rand(1, channels, 32, 32, generator=torch.Generator().manual_seed(seed)).double()


MAPS = {"depth": picture(1, 1), "canny": picture(2, 3)}


def own(model: StableDiffusion, steps: int) -> torch.Tensor:
    model = replace(model, controls=over_steps(model.controls, model.schedule.timesteps(steps)))
    conditioning = model.conditioning(["night", "a red car"], Guides(maps=MAPS), negative=(0,))

    def eps(x: torch.Tensor, t: int) -> torch.Tensor:
        uncond, cond = model.predict(x, t, conditioning)
        return guided(uncond, cond, 5.0)

    return sample(eps, latents(model), model.schedule, steps)


def latents(model: StableDiffusion) -> torch.Tensor:
    side = 32 // model.vae_factor
    rng = torch.Generator().manual_seed(3)
    return torch.randn(1, 4, side, side, generator=rng, dtype=torch.float64)


def stock(pipeline: Any, model: StableDiffusion, steps: int, **others: Any) -> torch.Tensor:
    by_our_schedule(pipeline, model.schedule)
    return pipeline(
        "a red car",
        negative_prompt="night",
        image=[one.expand(-1, 3, -1, -1) for one in MAPS.values()],
        height=32,
        width=32,
        latents=latents(model),
        num_inference_steps=steps,
        guidance_scale=5.0,
        output_type="latent",
        **others,
    ).images


@pytest.mark.parametrize("kind", ["sd", "sdxl"])
@pytest.mark.parametrize("steps", [4, 7])
def test_the_sum_is_that_of_the_pipelines(
    kind: str, steps: int, tiny_folder: Path, tiny_xl_folder: Path, tmp_path: Path
) -> None:
    folder = tiny_folder if kind == "sd" else tiny_xl_folder
    other = save_other(folder, tmp_path / "canny")
    asked = (f"depth={folder / 'controlnet'}@0.7:0-0.6", f"canny={other}@0.4:0.3-1")
    model = load(str(folder), device="cpu", dtype="fp64", control=asked)
    pipeline = (
        StableDiffusionControlNetPipeline if kind == "sd" else StableDiffusionXLControlNetPipeline
    ).from_pretrained(
        folder,
        controlnet=[
            ControlNetModel.from_pretrained(place, dtype=torch.float64)
            for place in (folder / "controlnet", other)
        ],
        dtype=torch.float64,
        **({"safety_checker": None} if kind == "sd" else {}),
    )
    expected = stock(
        pipeline,
        model,
        steps,
        controlnet_conditioning_scale=[0.7, 0.4],
        control_guidance_start=[0.0, 0.3],
        control_guidance_end=[0.6, 1.0],
    )
    assert float((own(model, steps) - expected).abs().max()) < 1e-9
    whole = load(
        str(folder), device="cpu", dtype="fp64", control=tuple(text.partition(":")[0] for text in asked)
    )
    assert float((own(whole, steps) - expected).abs().max()) > 1e-3


def test_out_of_its_share_a_controlnet_is_not_run(tiny_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = f"depth={tiny_folder / 'controlnet'}@1:0.5-1"
    model = load(str(tiny_folder), device="cpu", control=(text,))
    timesteps = model.schedule.timesteps(4)
    model = replace(model, controls=over_steps(model.controls, timesteps))
    ran: list[float] = []
    forward = ControlNetModel.forward

    def counted(self: ControlNetModel, x: torch.Tensor, t: float, *args: Any, **others: Any) -> Any:
        ran.append(t)
        return forward(self, x, t, *args, **others)

    monkeypatch.setattr(ControlNetModel, "forward", counted)
    x, given = (
        torch.randn(1, 4, 16, 16),
        model.conditioning(["x"], Guides(maps={"depth": torch.rand(1, 1, 32, 32)})),
    )
    for t in timesteps:
        model.predict(x, t, given)
    assert ran == timesteps[2:]
    (control,) = model.controls
    assert [control.acts(t) for t in timesteps] == [False, False, True, True]
    assert torch.equal(
        model.predict(x, timesteps[0], given), model.predict(x, timesteps[0], model.conditioning(["x"]))
    )


def test_scale_0_is_no_controlnet(tiny_folder: Path) -> None:
    model = load(str(tiny_folder), device="cpu", control=(f"depth={tiny_folder / 'controlnet'}@0",))
    x, maps = torch.randn(1, 4, 16, 16), {"depth": torch.rand(1, 1, 32, 32)}
    found = model.predict(x, 500, model.conditioning(["x"], Guides(maps=maps)))
    assert torch.equal(found, model.predict(x, 500, model.conditioning(["x"])))


def test_two_of_one_kind_share_their_pictures_and_halves_make_the_whole(tiny_folder: Path) -> None:
    control = tiny_folder / "controlnet"
    twice = load(str(tiny_folder), device="cpu", control=(f"depth={control}@0.5", f"depth={control}@0.5"))
    once = load(str(tiny_folder), device="cpu")
    assert twice.control_kinds == once.control_kinds == ("depth",)
    x, guides = torch.randn(2, 4, 16, 16), Guides(maps={"depth": torch.rand(2, 1, 32, 32)})
    found, expected = (model.predict(x, 500, model.conditioning(["x"], guides)) for model in (twice, once))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_a_lacking_picture_is_told(tiny_folder: Path) -> None:
    model = load(str(tiny_folder), device="cpu", control=(f"canny={tiny_folder / 'controlnet'}",))
    given = model.conditioning(["x"], Guides(maps={"depth": torch.rand(1, 1, 32, 32)}))
    with pytest.raises(InputError, match="needs the clip's canny, and none was given"):
        model.predict(torch.randn(1, 4, 16, 16), 5, given)
