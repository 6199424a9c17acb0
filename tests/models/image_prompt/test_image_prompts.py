"""Pictures as prompts, against diffusers' own pipelines in double precision, and what is refused."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline, StableDiffusionXLPipeline
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import CLIPImageProcessor

from frameweave.diffusion.sampling import guided, sample
from frameweave.errors import InputError, ModelFolderError
from frameweave.models.attention import overridden, own
from frameweave.models.cross_attention import Borrowed, borrowing
from frameweave.models.image_prompt.encoder import prepared
from frameweave.models.loading.load import load
from frameweave.models.stable_diffusion import StableDiffusion
from image_adapters import adapter_tensors, save_adapter, save_encoder
from pipelines import by_our_schedule


@pytest.fixture
def faces(tmp_path: Path) -> list[Path]:
    rng = np.random.default_rng(0)
    found = [tmp_path / "a.png", tmp_path / "b.jpg"]
    for file, size in zip(found, ((40, 56), (50, 36)), strict=True):
        Image.fromarray(rng.integers(0, 256, (*size, 3), dtype=np.uint8)).save(file)
    return found


def latents(model: StableDiffusion) -> torch.Tensor:
    side, rng = 32 // model.vae_factor, torch.Generator().manual_seed(3)
    return torch.randn(1, 4, side, side, generator=rng, dtype=torch.float64)


def ours(model: StableDiffusion, steps: int = 4) -> torch.Tensor:
    conditioning = model.conditioning(["night", "a red car"], negative=(0,))

    def eps(x: torch.Tensor, t: int) -> torch.Tensor:
        uncond, cond = model.predict(x, t, conditioning)
        return guided(uncond, cond, 5.0)

    return sample(eps, latents(model), model.schedule, steps)


def stock(kind: str, folder: Path, adapter: Path, model: StableDiffusion, embeds: Any) -> Any:
    of_kind = StableDiffusionPipeline if kind == "sd" else StableDiffusionXLPipeline
    others: dict[str, Any] = {"safety_checker": None} if kind == "sd" else {}
    pipeline = of_kind.from_pretrained(folder, dtype=torch.float64, **others)
    count = 2
    pipeline.load_ip_adapter(
        [str(adapter.parent)] * count,
        subfolder=[""] * count,
        weight_name=[adapter.name] * count,
        image_encoder_folder=None,
    )
    pipeline.set_ip_adapter_scale([0.6, 0.3])
    by_our_schedule(pipeline, model.schedule)
    return pipeline(
        "a red car",
        negative_prompt="night",
        ip_adapter_image_embeds=embeds,
        height=32,
        width=32,
        latents=latents(model),
        num_inference_steps=4,
        guidance_scale=5.0,
        output_type="latent",
    ).images


@pytest.mark.parametrize("kind", ["sd", "sdxl"])
@pytest.mark.parametrize("variant", ["plain", "plus", "full face"])
def test_the_latents_are_those_of_the_pipelines(
    kind: str, variant: str, faces: list[Path], tiny_folder: Path, tiny_xl_folder: Path, tmp_path: Path
) -> None:
    from transformers import CLIPVisionModelWithProjection

    folder = tiny_folder if kind == "sd" else tiny_xl_folder
    adapter = save_adapter(tmp_path / "ip", load(str(folder), device="cpu").unet, variant)
    model = load(
        str(folder),
        device="cpu",
        dtype="fp64",
        image_prompt=(f"{faces[0]}@0.6", f"{faces[1]}@0.3"),
        image_adapter=str(adapter),
    )
    encoder = CLIPVisionModelWithProjection.from_pretrained(
        adapter.parent / "image_encoder", dtype=torch.float64
    )

    def embedded(file: Path) -> torch.Tensor:
        x = prepared(file, 32).double()
        with torch.no_grad():
            if variant != "plain":
                pairs = [
                    encoder(p, output_hidden_states=True).hidden_states[-2] for p in (torch.zeros_like(x), x)
                ]
            else:
                whole = encoder(x).image_embeds
                pairs = [torch.zeros_like(whole), whole]
        return torch.stack(pairs)

    expected = stock(kind, folder, adapter, model, [embedded(file) for file in faces])
    found = ours(model)
    assert float((found - expected).abs().max()) < 1e-9
    assert float((found - ours(replace(model, image_prompts=()))).abs().max()) > 1e-3


@pytest.fixture
def adapter(tiny: StableDiffusion, tmp_path: Path) -> Path:
    return save_adapter(tmp_path / "ip", tiny.unet)


def shown(folder: Path, adapter: Path, *texts: str, **others: Any) -> StableDiffusion:
    return load(str(folder), device="cpu", image_prompt=texts, image_adapter=str(adapter), **others)


def predicted(model: StableDiffusion, t: float = 500) -> torch.Tensor:
    x = torch.randn(2, 4, 16, 16, generator=torch.Generator().manual_seed(1))
    return model.predict(x, t, model.conditioning(["night", "a red car"], negative=(0,)))


def test_pictures_are_prepared_as_clip_does(faces: list[Path]) -> None:
    processor = CLIPImageProcessor(size=32, crop_size=32)
    for file in faces:
        expected = torch.tensor(np.asarray(processor(Image.open(file)).pixel_values))
        torch.testing.assert_close(prepared(file, 32).float(), expected.float(), atol=1e-5, rtol=1e-5)


def test_strength_0_no_picture_and_the_inversion_are_the_base(
    tiny: StableDiffusion, tiny_folder: Path, adapter: Path, faces: list[Path]
) -> None:
    base = predicted(tiny)
    model = shown(tiny_folder, adapter, f"{faces[0]}")
    assert not torch.allclose(predicted(model), base, atol=1e-3)
    assert torch.equal(predicted(model.inverse), base)
    assert torch.equal(predicted(shown(tiny_folder, adapter, f"{faces[0]}@0")), base)


def test_the_source_stream_reads_no_picture(tiny_folder: Path, adapter: Path, faces: list[Path]) -> None:
    """It is the source as it was inverted, also beside branches that read one."""
    model = shown(tiny_folder, adapter, f"{faces[0]}")
    prompts, x = (
        ["the source", "", "the edit"],
        torch.randn(3, 2, 4, 8, 8, generator=torch.Generator().manual_seed(1)),
    )
    together = model.predict(x, 500, model.conditioning(prompts, negative=(1,), source=(0,)))
    alone = model.inverse.predict(x[:1], 500, model.inverse.conditioning(prompts[:1]))
    assert torch.allclose(together[:1], alone, atol=1e-5)
    read = model.predict(x, 500, model.conditioning(prompts, negative=(1,)))
    assert torch.allclose(together[1:], read[1:], atol=1e-5) and not torch.allclose(
        together[0], read[0], atol=1e-3
    )


def test_a_share_of_the_steps(
    tiny: StableDiffusion, tiny_folder: Path, adapter: Path, faces: list[Path]
) -> None:
    model = shown(tiny_folder, adapter, f"{faces[0]}@1:0-0.5")
    assert torch.equal(predicted(model, 400), predicted(tiny, 400))
    assert not torch.equal(predicted(model, 600), predicted(tiny, 600))
    (prompt,) = model.image_prompts
    assert [prompt.over([900, 600, 300, 0]).acts(t) for t in (900, 600, 300, 0)] == [True, True, False, False]


def test_rules_of_self_and_text_attention_act_beside_it(
    tiny_folder: Path, adapter: Path, faces: list[Path]
) -> None:
    model = shown(tiny_folder, adapter, f"{faces[0]}")
    expected = predicted(model)
    with overridden(model.unet, own):
        torch.testing.assert_close(predicted(model), expected, rtol=1e-4, atol=1e-5)
    with overridden(model.unet, lambda x, attend, site: attend(x, x[:1], x[:1])):
        assert not torch.allclose(predicted(model), expected, atol=1e-3)
    with borrowing(model.unet, lambda length: None):
        torch.testing.assert_close(predicted(model), expected, rtol=1e-4, atol=1e-5)
    with borrowing(model.unet, lambda n: Borrowed(slice(0, 2), slice(2, 4), torch.eye(n))):
        assert not torch.allclose(predicted(model), expected, atol=1e-3)
    assert torch.equal(predicted(model), expected)


def test_branches_keep_what_belongs_to_them(tiny_folder: Path, adapter: Path, faces: list[Path]) -> None:
    model = shown(tiny_folder, adapter, f"{faces[0]}")
    x = torch.randn(2, 4, 16, 16)
    given = model.conditioning(["night", "a red car", "a blue car"], negative=(0,))
    whole = model.predict(x, 500, given)
    for branch in range(3):
        alone = model.predict(x[1:], 500, given.branches(branch).of(slice(1, 2)))
        torch.testing.assert_close(alone[0], whole[branch, 1:], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda t: t.pop("ip_adapter.1.to_k_ip.weight"), "made for another model"),
        (lambda t: t.update({"ip_adapter.99.to_k_ip.weight": torch.zeros(1)}), "made for another model"),
        (
            lambda t: t.update({"ip_adapter.1.to_k_ip.weight": torch.zeros(8, 24)}),
            r"\(8, 24\), expected \(8, 16\)",
        ),
        (lambda t: t.update({"lora.x": torch.zeros(1)}), "not the weights of an IP-Adapter"),
        (
            lambda t: t.update({"image_proj.norm.bias": torch.zeros(3)}),
            "is of no known kind",
        ),
        (lambda t: t.update({"image_proj.proj.0.weight": t.pop("image_proj.proj.weight")}), "FaceID"),
        (lambda t: t.clear(), "no tensors"),
        (lambda t: t["ip_adapter.1.to_k_ip.weight"].fill_(torch.nan), "values that are no numbers"),
        (lambda t: t.update({k: v.to(torch.int8) for k, v in t.items()}), "quantised"),
    ],
)
def test_a_file_of_another_kind_is_told(
    change: Any, told: str, tiny: StableDiffusion, tiny_folder: Path, adapter: Path, faces: list[Path]
) -> None:
    tensors = adapter_tensors(load(str(tiny_folder), device="cpu").unet)
    change(tensors)
    save_file(tensors, adapter)
    with pytest.raises(ModelFolderError, match=told):
        shown(tiny_folder, adapter, f"{faces[0]}")


def test_what_is_lacking_is_told(tiny_folder: Path, adapter: Path, faces: list[Path], tmp_path: Path) -> None:
    face = str(faces[0])
    with pytest.raises(InputError, match="needs an IP-Adapter, .*--image-adapter"):
        load(str(tiny_folder), device="cpu", image_prompt=(face,))
    with pytest.raises(InputError, match="--image-adapter without a picture"):
        load(str(tiny_folder), device="cpu", image_adapter=str(adapter))
    with pytest.raises(InputError, match="absent.png: no such picture"):
        shown(tiny_folder, adapter, "absent.png@0.5")
    (tmp_path / "no.png").write_bytes(b"x")
    with pytest.raises(InputError, match="no.png"):
        shown(tiny_folder, adapter, str(tmp_path / "no.png"))
    with pytest.raises(ModelFolderError, match="pickle"):
        shown(tiny_folder, tmp_path / "ip.bin", face)
    other = save_encoder(tmp_path / "other", 6)
    with pytest.raises(ModelFolderError, match="reads states 10 wide, the image encoder's are 6 wide"):
        shown(tiny_folder, adapter, face, image_encoder=str(other))
    alone = tmp_path / "alone" / "ip.safetensors"
    alone.parent.mkdir()
    save_file(load_file(adapter), alone)
    with pytest.raises(ModelFolderError, match="no folder image_encoder beside it"):
        shown(tiny_folder, alone, face)
    with pytest.raises(ModelFolderError, match=r"owner/name/path.safetensors"):
        shown(tiny_folder, Path("nobody/nothing"), face)
