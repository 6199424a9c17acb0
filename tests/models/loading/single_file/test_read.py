"""A checkpoint in one file is the very model of the folder that it was made from, or an error says why."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from safetensors.torch import load_file, save_file
from torch import Tensor

from frameweave.editors.framewise import Framewise
from frameweave.editors.running import edit_clip
from frameweave.errors import ModelFolderError
from frameweave.models.loading.choice import miniature_folder
from frameweave.models.loading.load import load
from frameweave.models.stable_diffusion import StableDiffusion
from frameweave.video.clip import Clip
from original_layout import save_original, vae_tensors

Change = Callable[[dict[str, Tensor]], dict[str, Tensor]]
PARTS = {
    "unet": "model.diffusion_model.middle_block.0.in_layers.2.weight",
    "vae": "first_stage_model.decoder.conv_out.bias",
    "text encoder": "cond_stage_model.transformer.text_model.final_layer_norm.weight",
}
PARTS_XL = {
    "unet": "model.diffusion_model.label_emb.0.2.bias",
    "vae": "first_stage_model.encoder.mid.attn_1.q.weight",
    "text encoder": "conditioner.embedders.0.transformer.text_model.embeddings.position_embedding.weight",
    "text encoder 2": "conditioner.embedders.1.model.transformer.resblocks.1.attn.in_proj_bias",
}


@pytest.fixture(scope="module")
def tiny_file(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_original(tiny_folder, tmp_path_factory.mktemp("files") / "tiny.safetensors")


@pytest.fixture(scope="module")
def xl_file(tiny_xl_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_original(tiny_xl_folder, tmp_path_factory.mktemp("files") / "xl.safetensors")


def _loaded(file: Path, folder: Path, **others: str) -> StableDiffusion:
    return load(str(file), config=str(folder), device="cpu", **others)


def _changed(file: Path, to: Path, change: Change) -> Path:
    save_file(change(load_file(file)), to)
    return to


def _check_same(found: StableDiffusion, expected: StableDiffusion) -> None:
    networks = [(found.unet, expected.unet), (found.vae, expected.vae)]
    networks += [*zip(found.text.networks, expected.text.networks, strict=True)]
    for mine, theirs in networks:
        assert mine.state_dict().keys() == theirs.state_dict().keys()
        for name, tensor in mine.state_dict().items():
            assert torch.equal(tensor, theirs.state_dict()[name]), name
    assert found.prediction == expected.prediction
    assert torch.equal(found.schedule.alpha_bar, expected.schedule.alpha_bar)


@pytest.mark.parametrize("open_clip", [False, True])
def test_the_round_trip_is_exact(
    tiny: StableDiffusion, tiny_folder: Path, tmp_path: Path, open_clip: bool
) -> None:
    """In the layouts of Stable Diffusion 1.x and 2.x; the latter has a layer of text that is not used."""
    file = save_original(tiny_folder, tmp_path / "model.safetensors", open_clip=open_clip)
    _check_same(_loaded(file, tiny_folder), tiny)


def test_the_round_trip_of_sdxl_is_exact(
    tiny_xl: StableDiffusion, tiny_xl_folder: Path, xl_file: Path
) -> None:
    _check_same(_loaded(xl_file, tiny_xl_folder), tiny_xl)


def test_the_packaged_model_as_a_file(tmp_path: Path) -> None:
    """It has attention in its VAE and two layers at each level."""
    folder = miniature_folder()
    file = save_original(folder, tmp_path / "model.safetensors")
    found = _loaded(file, folder)
    _check_same(found, load("miniature", device="cpu"))
    theirs = UNet2DConditionModel.from_single_file(str(file), config=str(folder), subfolder="unet")
    their_vae = AutoencoderKL.from_single_file(str(file), config=str(folder), subfolder="vae")
    for mine, other in ((found.unet, theirs), (found.vae, their_vae)):
        for name, tensor in other.state_dict().items():
            assert torch.equal(mine.state_dict()[name], tensor), name


def test_the_same_edit_has_the_same_bytes(
    tiny: StableDiffusion, tiny_folder: Path, tiny_file: Path, tmp_path: Path, clip: Clip
) -> None:
    alone = tmp_path / "vae.safetensors"
    save_file(vae_tensors(tiny_folder), alone)
    models = [tiny, _loaded(tiny_file, tiny_folder)]
    models += [_loaded(tiny_file, tiny_folder, vae=str(vae)) for vae in (alone, tiny_folder / "vae")]
    edited = [
        edit_clip(Framewise(steps=2), clip, "a red cat", model, rng=torch.Generator().manual_seed(0)).frames
        for model in models
    ]
    latents = [model.encode(clip.frames) for model in models]
    for frames, x_0 in zip(edited[1:], latents[1:], strict=True):
        assert torch.equal(frames, edited[0])
        assert torch.equal(x_0, latents[0])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float8_e4m3fn])
def test_files_of_less_precision(
    tiny: StableDiffusion, tiny_folder: Path, tiny_file: Path, tmp_path: Path, dtype: torch.dtype
) -> None:
    less = _changed(
        tiny_file, tmp_path / "less.safetensors", lambda t: {k: v.to(dtype) for k, v in t.items()}
    )
    found = _loaded(less, tiny_folder)
    assert found.dtype == torch.float32
    for mine, theirs in zip(found.unet.parameters(), tiny.unet.parameters(), strict=True):
        assert torch.equal(mine, theirs.to(dtype).float())


def test_text_towers_of_old_files_have_shorter_names(
    tiny: StableDiffusion, tiny_folder: Path, tiny_file: Path, tmp_path: Path
) -> None:
    def shorter(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        return {name.replace("transformer.text_model.", "transformer."): one for name, one in tensors.items()}

    _check_same(_loaded(_changed(tiny_file, tmp_path / "old.safetensors", shorter), tiny_folder), tiny)


def test_what_changes_nothing_may_be_there(
    tiny: StableDiffusion, tiny_folder: Path, tiny_file: Path, tmp_path: Path
) -> None:
    """Moving averages, the noise schedule, positions, what the VAE was trained with."""
    more = {
        "model_ema.decay": torch.ones(()),
        "model_ema.num_updates": torch.ones((), dtype=torch.int32),
        "alphas_cumprod": torch.ones(1000),
        "cond_stage_model.transformer.text_model.embeddings.position_ids": torch.arange(32)[None],
        "cond_stage_model.logit_scale": torch.ones(()),
        "first_stage_model.loss.logvar": torch.ones(()),
    }
    file = _changed(tiny_file, tmp_path / "more.safetensors", lambda tensors: tensors | more)
    _check_same(_loaded(file, tiny_folder), tiny)


@pytest.mark.parametrize("name", PARTS.values())
def test_a_missing_tensor_is_named(tiny_folder: Path, tiny_file: Path, tmp_path: Path, name: str) -> None:
    file = _changed(
        tiny_file, tmp_path / "m.safetensors", lambda t: {k: v for k, v in t.items() if k != name}
    )
    with pytest.raises(ModelFolderError, match=rf"m\.safetensors: 1 tensor missing \({re.escape(name)}\)"):
        _loaded(file, tiny_folder)


@pytest.mark.parametrize("name", PARTS_XL.values())
def test_a_missing_tensor_of_sdxl_is_named(
    tiny_xl_folder: Path, xl_file: Path, tmp_path: Path, name: str
) -> None:
    file = _changed(xl_file, tmp_path / "m.safetensors", lambda t: {k: v for k, v in t.items() if k != name})
    with pytest.raises(ModelFolderError, match=rf"1 tensor missing \({re.escape(name)}\)"):
        _loaded(file, tiny_xl_folder)


@pytest.mark.parametrize("name", PARTS.values())
def test_a_tensor_of_another_shape_is_named(
    tiny_folder: Path, tiny_file: Path, tmp_path: Path, name: str
) -> None:
    file = _changed(tiny_file, tmp_path / "m.safetensors", lambda t: t | {name: torch.zeros(5)})
    with pytest.raises(ModelFolderError, match=rf"of another shape \({re.escape(name)} \(5,\), for "):
        _loaded(file, tiny_folder)


@pytest.mark.parametrize("name", PARTS.values())
def test_a_tensor_that_has_no_place_is_named(
    tiny_folder: Path, tiny_file: Path, tmp_path: Path, name: str
) -> None:
    odd = f"{name}.odd"
    file = _changed(tiny_file, tmp_path / "m.safetensors", lambda t: t | {odd: torch.zeros(3)})
    with pytest.raises(ModelFolderError, match=rf"1 tensor not of a \w+ \({re.escape(odd)}\)"):
        _loaded(file, tiny_folder)


@pytest.mark.parametrize(
    ("part", "prefix", "told"),
    [
        ("vae", "first_stage_model.", r"no vae in it .*name one with --vae"),
        ("text encoder", "cond_stage_model.", r"no text encoder that is known"),
    ],
)
def test_a_missing_part_is_named(
    tiny_folder: Path, tiny_file: Path, tmp_path: Path, part: str, prefix: str, told: str
) -> None:
    def without(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        return {name: one for name, one in tensors.items() if not name.startswith(prefix)}

    file = _changed(tiny_file, tmp_path / "m.safetensors", without)
    with pytest.raises(ModelFolderError, match=told):
        _loaded(file, tiny_folder)
    if part == "vae":
        assert _loaded(file, tiny_folder, vae=str(tiny_folder))


def test_settings_of_another_model_are_named(tiny_file: Path, tiny_xl_folder: Path, xl_file: Path) -> None:
    with pytest.raises(
        ModelFolderError, match=r"tensors? (missing|of another shape).*tiny_xl has other sizes"
    ):
        _loaded(tiny_file, tiny_xl_folder)
    with pytest.raises(ModelFolderError, match="has other sizes or is of another kind.*--model-config"):
        _loaded(xl_file, miniature_folder())


def test_quantised_weights_are_refused(tiny_folder: Path, tiny_file: Path, tmp_path: Path) -> None:
    name = PARTS["unet"]
    file = _changed(tiny_file, tmp_path / "m.safetensors", lambda t: t | {name: t[name].to(torch.int8)})
    with pytest.raises(ModelFolderError, match="1 tensors of whole numbers"):
        _loaded(file, tiny_folder)


def test_a_file_of_instruct_pix2pix_sees_a_picture(
    tiny_folder: Path, tiny_file: Path, tmp_path: Path
) -> None:
    name = "model.diffusion_model.input_blocks.0.0.weight"
    file = _changed(tiny_file, tmp_path / "m.safetensors", lambda t: t | {name: torch.cat([t[name]] * 2, 1)})
    assert _loaded(file, tiny_folder).takes_picture


def test_loras_and_training_may_change_the_weights_and_not_the_file(
    tiny_folder: Path, tiny_file: Path
) -> None:
    before = tiny_file.read_bytes()
    model = _loaded(tiny_file, tiny_folder)
    with torch.no_grad():
        for weight in (*model.unet.parameters(), *model.vae.parameters()):
            weight.add_(1)
    assert tiny_file.read_bytes() == before


def test_counters_of_a_training_are_no_weights(tiny_folder: Path, tiny_file: Path, tmp_path: Path) -> None:
    counters = {name: torch.tensor(7) for name in ("global_step", "first_stage_model.model_ema.num_updates")}
    file = _changed(tiny_file, tmp_path / "m.safetensors", lambda tensors: tensors | counters)
    _loaded(file, tiny_folder)
