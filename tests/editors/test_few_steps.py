"""Models of few steps, against diffusers' pipelines in float64: the same latents from the same noise."""

from pathlib import Path
from shutil import copytree
from typing import Any

import pytest
import torch
from diffusers import (
    DPMSolverMultistepScheduler,
    EulerAncestralDiscreteScheduler,
    EulerDiscreteScheduler,
    LatentConsistencyModelPipeline,
    LCMScheduler,
    StableDiffusionImg2ImgPipeline,
    StableDiffusionPipeline,
    TCDScheduler,
    UniPCMultistepScheduler,
)
from torch import Tensor

from frameweave.diffusion.samplers.names import SamplerName
from frameweave.diffusion.samplers.sampler import Sampler
from frameweave.editors.base import Editor
from frameweave.editors.delta import Delta
from frameweave.editors.framewise import Framewise
from frameweave.editors.running import edit_clip, request_of, text_request
from frameweave.editors.text2video_zero import Text2VideoZero
from frameweave.editors.tokenflow import TokenFlow
from frameweave.errors import ModelFolderError
from frameweave.models.loading.load import load
from frameweave.models.seam import Guides
from frameweave.models.stable_diffusion import StableDiffusion
from frameweave.progress import Notes
from frameweave.video.clip import Clip
from golden_cases import relative

PROMPT = "a red car"


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(4)


@pytest.fixture(scope="module")
def exact(tiny_folder: Path) -> StableDiffusion:
    return load(str(tiny_folder), device="cpu", dtype="fp64")


@pytest.fixture(scope="module")
def lcm_folder(tiny: StableDiffusion, tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model with a UNet that is told the guidance scale, and LCM's scheduler."""
    folder = tmp_path_factory.mktemp("models") / "lcm"
    copytree(tiny_folder, folder)
    torch.manual_seed(1)
    unet = type(tiny.unet).from_config(tiny.unet.config, time_cond_proj_dim=16)
    own = unet.state_dict()
    unet.load_state_dict(own | tiny.unet.state_dict())
    unet.save_pretrained(folder / "unet")
    LCMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear").save_pretrained(
        folder / "scheduler"
    )
    return folder


@pytest.fixture(scope="module")
def lcm(lcm_folder: Path) -> StableDiffusion:
    return load(str(lcm_folder), device="cpu", dtype="fp64")


def generated(model: StableDiffusion, sampler: Sampler, *, steps: int, guidance: float) -> Tensor:
    request = text_request(model, prompt=PROMPT, frames=1, size=(32, 32), rng=seeded(), sampler=sampler)
    return Text2VideoZero(steps=steps, guidance=guidance).generate(request)


def by_pipeline(
    kind: Any, model: StableDiffusion, scheduler: Any, *, steps: int, guidance: float, **others: Any
) -> Tensor:
    """One picture; noise is drawn as we draw it, in float32."""
    parts = {
        "vae": model.vae,
        "text_encoder": model.text.networks[0],
        "tokenizer": model.tokenizer,
        "unet": model.unet,
        "scheduler": scheduler,
        "safety_checker": None,
        "feature_extractor": None,
        "requires_safety_checker": False,
    }
    pipeline = kind(**parts)
    scheduler.alphas_cumprod = model.schedule.alpha_bar.double()
    pipeline.set_progress_bar_config(disable=True)
    rng, shape = seeded(), (1, 4, 16, 16)

    def draw(*_: object, **__: object) -> Tensor:
        return torch.randn(shape, generator=rng).double()

    with pytest.MonkeyPatch.context() as patch:
        for module in ("lcm", "tcd", "euler_ancestral_discrete", "dpmsolver_multistep"):
            patch.setattr(f"diffusers.schedulers.scheduling_{module}.randn_tensor", draw)
        patch.setattr(f"{StableDiffusionImg2ImgPipeline.__module__}.randn_tensor", draw)
        return pipeline(
            PROMPT,
            num_inference_steps=steps,
            guidance_scale=guidance,
            output_type="latent",
            **({} if "image" in others else {"latents": draw(), "height": 32, "width": 32}),
            **others,
        ).images


BETAS = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "steps_offset": 1}


@pytest.mark.parametrize("steps", [1, 4, 8])
def test_a_latent_consistency_model_is_told_its_guidance(lcm: StableDiffusion, steps: int) -> None:
    found = generated(lcm, Sampler("lcm"), steps=steps, guidance=8.0)
    expected = by_pipeline(
        LatentConsistencyModelPipeline, lcm, LCMScheduler(**BETAS), steps=steps, guidance=8.0
    )
    assert relative(found, expected) < 1e-6
    assert relative(generated(lcm, Sampler("lcm"), steps=steps, guidance=2.0), expected) > 1e-3


@pytest.mark.parametrize(
    ("sampler", "scheduler", "steps", "guidance"),
    [
        pytest.param(Sampler("lcm"), LCMScheduler(**BETAS), 4, 1.0, id="an LCM LoRA"),
        pytest.param(Sampler("lcm"), LCMScheduler(**BETAS), 4, 1.5, id="an LCM LoRA with guidance"),
        pytest.param(
            Sampler("euler", spacing="trailing"),
            EulerDiscreteScheduler(**BETAS, timestep_spacing="trailing"),
            4,
            1.0,
            id="Lightning",
        ),
        pytest.param(
            Sampler("euler", spacing="trailing"),
            EulerDiscreteScheduler(**BETAS, timestep_spacing="trailing"),
            1,
            1.0,
            id="Turbo in one step",
        ),
        pytest.param(
            Sampler("euler_a", spacing="trailing"),
            EulerAncestralDiscreteScheduler(**BETAS, timestep_spacing="trailing"),
            4,
            1.0,
            id="SDXL Turbo's sampler",
        ),
        pytest.param(Sampler("tcd"), TCDScheduler(**BETAS), 4, 1.0, id="Hyper by TCD"),
        pytest.param(
            Sampler("dpmpp_2m", spacing="karras"),
            DPMSolverMultistepScheduler(**BETAS, use_karras_sigmas=True),
            8,
            3.0,
            id="DPM++ 2M Karras",
        ),
        pytest.param(
            Sampler("unipc"), UniPCMultistepScheduler(**BETAS, timestep_spacing="leading"), 2, 3.0, id="UniPC"
        ),
    ],
)
def test_few_steps_are_those_of_the_pipelines(
    exact: StableDiffusion, sampler: Sampler, scheduler: Any, steps: int, guidance: float
) -> None:
    found = generated(exact, sampler, steps=steps, guidance=guidance)
    eta = {"eta": 0.3} if sampler.name == "tcd" else {}  # the pipeline gives 0, TCD's authors 0.3
    expected = by_pipeline(StableDiffusionPipeline, exact, scheduler, steps=steps, guidance=guidance, **eta)
    assert relative(found, expected) < 1e-4  # some of its samplers step in float32


@pytest.mark.parametrize("name", ["lcm", "tcd", "euler", "dpmpp_2m"])
def test_from_a_noised_source_they_are_those_of_img2img(
    name: SamplerName, exact: StableDiffusion, clip: Clip
) -> None:
    """At half the strength: the last two of four steps, where nothing is remembered of those before."""
    kinds = {
        "lcm": LCMScheduler(**BETAS),
        "tcd": TCDScheduler(**BETAS),
        "euler": EulerDiscreteScheduler(**BETAS, timestep_spacing="leading"),
        "dpmpp_2m": DPMSolverMultistepScheduler(**BETAS, timestep_spacing="leading"),
    }
    editor = Framewise(steps=4, strength=0.5, guidance=1.0, noise="random")
    request = request_of(
        editor, clip.frames[:1].double(), exact, prompt=PROMPT, sampler=Sampler(name), rng=seeded()
    )
    found = editor.edit(request)
    given = {"image": request.x_0, "strength": 0.5, "eta": 0.3 if name == "tcd" else 0.0}
    pipeline = StableDiffusionImg2ImgPipeline
    expected = by_pipeline(pipeline, exact, kinds[name], steps=4, guidance=1.0, **given)
    assert relative(found, expected) < 1e-5


def test_a_scale_is_told_to_all_branches_alike(lcm: StableDiffusion) -> None:
    x = torch.randn(2, 4, 16, 16, dtype=torch.float64, generator=seeded())
    told = [
        lcm.predict(x, 500, lcm.conditioning([PROMPT, PROMPT], Guides(guidance=scale)))
        for scale in (1.0, 1.0, 8.0)
    ]
    assert torch.equal(told[0], told[1])
    assert torch.allclose(told[2][0], told[2][1], atol=1e-12)
    assert not torch.allclose(told[0], told[2], atol=1e-3)


def test_it_takes_no_negative_prompt(lcm: StableDiffusion) -> None:
    notes = Notes()
    made = [
        Text2VideoZero(steps=2).generate(
            text_request(
                lcm,
                prompt=PROMPT,
                negative_prompt=negative,
                frames=1,
                size=(32, 32),
                rng=seeded(),
                sampler=Sampler("lcm"),
                progress=notes,
            )
        )
        for negative in ("", "blurry")
    ]
    assert torch.equal(*made)
    assert notes.texts == ["the model is told the guidance scale, and takes no negative prompt"]


@pytest.mark.parametrize("editor", [Framewise(steps=2), TokenFlow(steps=2)])
def test_a_latent_consistency_model_is_not_inverted(editor: Editor, lcm: StableDiffusion, clip: Clip) -> None:
    with pytest.raises(ModelFolderError, match="a latent consistency model cannot be inverted"):
        edit_clip(editor, Clip.of(clip.frames.double()), PROMPT, lcm, rng=seeded())
    random = Framewise(steps=4, noise="random")
    found = edit_clip(
        random, Clip.of(clip.frames.double()), PROMPT, lcm, rng=seeded(), sampler=Sampler("lcm")
    )
    assert found.frames.isfinite().all()


def test_the_source_is_told_a_scale_of_its_own(
    lcm: StableDiffusion, clip: Clip, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[float, float]] = []
    original = StableDiffusion.predict

    def watched(self: StableDiffusion, x: Tensor, t: float, conditioning: Any) -> Tensor:
        told.append((t, conditioning.guidance))
        return original(self, x, t, conditioning)

    monkeypatch.setattr(StableDiffusion, "predict", watched)
    editor = Delta(steps=4, guidance=8.0, source_guidance=2.0, rho="consistency")
    found = edit_clip(
        editor, Clip.of(clip.frames.double()), PROMPT, lcm, rng=seeded(), sampler=Sampler("lcm")
    )
    assert found.frames.isfinite().all()
    assert told == [
        (t, scale) for t in (759, 499, 259) for scale in (8.0, 2.0)
    ]  # 999 is noisier than the start
