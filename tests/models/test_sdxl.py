"""SDXL behind the seam, against diffusers' own pipelines in double precision."""

import json
from pathlib import Path
from shutil import copytree, rmtree
from typing import Any

import pytest
import torch
from diffusers import (
    AutoencoderKL,
    ControlNetModel,
    DDIMScheduler,
    DiffusionPipeline,
    StableDiffusionXLControlNetPipeline,
    StableDiffusionXLPipeline,
)

from frameweave.diffusion.sampling import guided, sample
from frameweave.errors import ModelFolderError
from frameweave.models.loading.load import load
from frameweave.models.seam import Guides
from frameweave.models.stable_diffusion import StableDiffusion
from tiny_xl import POOLED, WIDTH, tiny_xl_unet


@pytest.fixture(scope="module")
def exact(tiny_xl_folder: Path) -> StableDiffusion:
    return load(str(tiny_xl_folder), device="cpu", dtype="fp64")


def own(
    model: StableDiffusion, x_T: torch.Tensor, negative: str, steps: int, guides: Guides = Guides()
) -> torch.Tensor:
    """DDIM with guidance 5, a loop written with the seam's verbs."""
    conditioning = model.conditioning([negative, "a red car"], guides, negative=(0,))

    def eps(x: torch.Tensor, t: int) -> torch.Tensor:
        uncond, cond = model.predict(x, t, conditioning)
        return guided(uncond, cond, 5.0)

    return sample(eps, x_T, model.schedule, steps)


def stock(pipeline: DiffusionPipeline, x_T: torch.Tensor, steps: int, **others: Any) -> torch.Tensor:
    """The same by the pipeline."""
    pipeline.scheduler = DDIMScheduler.from_config(
        pipeline.scheduler.config, clip_sample=False, set_alpha_to_one=True
    )
    pipeline.scheduler.alphas_cumprod = pipeline.scheduler.alphas_cumprod.double()
    pipeline.scheduler.final_alpha_cumprod = torch.tensor(1.0, dtype=torch.float64)
    pipeline.set_progress_bar_config(disable=True)
    height, width = (4 * side for side in x_T.shape[2:])
    asked = {"latents": x_T, "num_inference_steps": steps, "guidance_scale": 5.0, "output_type": "latent"}
    return pipeline("a red car", height=height, width=width, **asked | others).images


def latents(height: int = 16, width: int = 16) -> torch.Tensor:
    rng = torch.Generator().manual_seed(3)
    return torch.randn(1, 4, height, width, generator=rng, dtype=torch.float64)


@pytest.mark.parametrize("zeros", [True, False])
@pytest.mark.parametrize(
    ("negative", "named"), [("", None), (" ", ""), ("night", "night")], ids=["none", "empty", "other"]
)
def test_same_latents_as_the_stock_pipeline(
    negative: str, named: str | None, zeros: bool, tiny_xl_folder: Path, tmp_path: Path
) -> None:
    """No negative prompt is zeros or the encoding of "", as the model's folder says; " " is always that."""
    folder = copytree(tiny_xl_folder, tmp_path / "model")
    index = folder / "model_index.json"
    index.write_text(json.dumps(json.loads(index.read_text()) | {"force_zeros_for_empty_prompt": zeros}))
    pipeline = StableDiffusionXLPipeline.from_pretrained(folder, dtype=torch.float64)
    expected = stock(pipeline, latents(), 4, negative_prompt=named)
    found = own(load(str(folder), device="cpu", dtype="fp64"), latents(), negative, 4)
    assert float((found - expected).abs().max()) < 1e-10


def test_no_negative_prompt_is_not_an_empty_one(exact: StableDiffusion) -> None:
    assert float((own(exact, latents(), "", 2) - own(exact, latents(), " ", 2)).abs().max()) > 0.01


@pytest.mark.parametrize("steps", [1, 5, 20])
def test_at_sizes_that_are_not_square_the_model_is_told_them(
    steps: int, exact: StableDiffusion, tiny_xl_folder: Path
) -> None:
    pipeline = StableDiffusionXLPipeline.from_pretrained(tiny_xl_folder, dtype=torch.float64)
    expected = stock(pipeline, latents(8, 12), steps)
    assert float((own(exact, latents(8, 12), "", steps) - expected).abs().max()) < 1e-10


def test_the_controlnet_is_told_what_the_unet_is(exact: StableDiffusion, tiny_xl_folder: Path) -> None:
    pipeline = StableDiffusionXLControlNetPipeline.from_pretrained(
        tiny_xl_folder,
        controlnet=ControlNetModel.from_pretrained(tiny_xl_folder / "controlnet", dtype=torch.float64),
        dtype=torch.float64,
    )
    depth = torch.rand(1, 1, 32, 48, generator=torch.Generator().manual_seed(1)).double()
    picture = depth.expand(-1, 3, -1, -1)
    expected = stock(pipeline, latents(8, 12), 4, image=picture, controlnet_conditioning_scale=0.7)
    found = own(exact, latents(8, 12), "", 4, Guides(maps={"depth": depth}, controlnet_scale=0.7))
    assert float((found - expected).abs().max()) < 1e-10
    assert float((found - own(exact, latents(8, 12), "", 4)).abs().max()) > 0.01


def test_frames_and_branches_keep_what_belongs_to_them(tiny_xl: StableDiffusion) -> None:
    given = tiny_xl.conditioning(["", "a red car", "a blue fish"], negative=(0,))
    x = torch.randn(4, 4, 8, 8)
    whole = tiny_xl.predict(x, 500, given)
    assert torch.allclose(tiny_xl.predict(x, 500, given.branches(2, 1)), whole[[2, 1]], atol=1e-5)
    assert torch.allclose(tiny_xl.predict(x[1:3], 500, given.of(slice(1, 3))), whole[:, 1:3], atol=1e-5)
    again = tiny_xl.predict(x, 500, given.with_texts(given.texts))
    assert torch.equal(again, whole)


def test_the_towers_may_differ_in_padding_and_in_length(tiny_xl_folder: Path, tmp_path: Path) -> None:
    folder = copytree(tiny_xl_folder, tmp_path / "model")
    for name, length in (("tokenizer", 24), ("tokenizer_2", 32)):
        file = folder / name / "tokenizer_config.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | {"model_max_length": length}))
    shorter = load(str(folder), device="cpu").conditioning(["a red car", " ".join(["red"] * 22 + ["car"])])
    assert shorter.texts.shape == (2, 1, 24, WIDTH)
    assert shorter.pooled is not None
    assert shorter.pooled.shape == (2, 1, POOLED)
    assert shorter.cut == ("", "car")
    whole = load(str(tiny_xl_folder), device="cpu")
    assert whole.conditioning(["a red car"]).texts.shape == (1, 1, 32, WIDTH)
    text = whole.text.encode(["a red car"]).texts[0, 0]
    assert torch.allclose(text[:5], shorter.texts[0, 0, :5], atol=1e-5)


def test_its_vae_stays_in_full_precision_in_half_precision(tiny_xl_folder: Path, tmp_path: Path) -> None:
    folder = copytree(tiny_xl_folder, tmp_path / "model")
    half = load(str(folder), device="cpu", dtype="fp16")
    assert (half.vae.dtype, half.precision) == (torch.float32, torch.float16)
    assert half.text.networks[1].get_parameter("text_projection.weight").dtype == torch.float16
    x_0 = half.encode(torch.rand(2, 3, 32, 32))
    assert half.decode(x_0).shape == (2, 3, 32, 32)
    assert load(str(folder), device="cpu", dtype="bf16").vae.dtype == torch.bfloat16
    mended = AutoencoderKL.from_pretrained(folder / "vae")
    mended.register_to_config(force_upcast=False)
    mended.save_pretrained(folder / "vae")
    assert load(str(folder), device="cpu", dtype="fp16").vae.dtype == torch.float16


def test_sd_1_keeps_its_vae_in_half_precision(tiny_folder: Path) -> None:
    assert load(str(tiny_folder), device="cpu", dtype="fp16").vae.dtype == torch.float16


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        (
            {"projection_class_embeddings_input_dim": 80 + 5 * 8},
            "reads pooled text and sizes as 120 numbers, and the text encoder's 40 with 6 sizes of 8 are 88",
        ),
        (
            {"cross_attention_dim": 48},
            "reads text embeddings 48 wide and text_time, the text encoder's are 80",
        ),
    ],
    ids=["as a refiner", "another width"],
)
def test_a_unet_that_needs_other_conditions_is_refused(
    changed: dict[str, object], expected: str, tiny_xl_folder: Path, tmp_path: Path
) -> None:
    folder = copytree(tiny_xl_folder, tmp_path / "model")
    tiny_xl_unet(**changed).save_pretrained(folder / "unet")
    with pytest.raises(ModelFolderError, match=expected):
        load(str(folder), device="cpu")


def test_a_controlnet_of_another_kind_is_refused(tiny_folder: Path, tiny_xl_folder: Path) -> None:
    for model, other in ((tiny_xl_folder, tiny_folder), (tiny_folder, tiny_xl_folder)):
        with pytest.raises(ModelFolderError, match="the ControlNet reads text embeddings"):
            load(str(model), device="cpu", controlnet=str(other / "controlnet"))


@pytest.mark.parametrize("said", ["yes", 1, None])
def test_an_index_that_says_nonsense_of_empty_prompts(
    said: object, tiny_xl_folder: Path, tmp_path: Path
) -> None:
    folder = copytree(tiny_xl_folder, tmp_path / "model")
    index = folder / "model_index.json"
    index.write_text(json.dumps(json.loads(index.read_text()) | {"force_zeros_for_empty_prompt": said}))
    with pytest.raises(ModelFolderError, match="force_zeros_for_empty_prompt is .*, expected true or false"):
        load(str(folder), device="cpu")
    index.unlink()
    load(str(folder), device="cpu")


def test_a_refiner_is_told_what_to_do(tiny_xl_folder: Path, tmp_path: Path) -> None:
    """Both as it is published, without a folder of the first text encoder, and by its index alone."""
    folder = copytree(tiny_xl_folder, tmp_path / "model")
    index = folder / "model_index.json"
    index.write_text(json.dumps(json.loads(index.read_text()) | {"text_encoder": [None, None]}))
    for found in ("it has no first text encoder", "no text_encoder folder in it"):
        with pytest.raises(ModelFolderError, match=f"{found}.*SDXL's refiner.*give the SDXL base model"):
            load(str(folder), device="cpu")
        rmtree(folder / "text_encoder", ignore_errors=True)
