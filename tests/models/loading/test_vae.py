"""A VAE in place of the model's own: in every form, and none that the model would not understand."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL, AutoencoderTiny
from safetensors.torch import load_file, save_file

from frameweave.errors import ModelFolderError
from frameweave.models.loading.choice import miniature_folder
from frameweave.models.loading.load import load
from original_layout import save_original, under, vae_tensors


@pytest.fixture
def other(tiny_folder: Path, tmp_path: Path) -> Path:
    """The tiny model's VAE with other weights."""
    vae = AutoencoderKL.from_pretrained(tiny_folder / "vae")
    with torch.no_grad():
        for weight in vae.parameters():
            weight.add_(0.01)
    vae.save_pretrained(tmp_path / "other" / "vae")
    return tmp_path / "other"


def _bias(folder: Path, vae: Path | str) -> torch.Tensor:
    return load(str(folder), vae=str(vae), device="cpu").vae.decoder.conv_out.bias


def test_every_form_of_a_vae(tiny_folder: Path, other: Path, tmp_path: Path) -> None:
    expected = AutoencoderKL.from_pretrained(other / "vae").decoder.conv_out.bias
    assert not torch.equal(load(str(tiny_folder), device="cpu").vae.decoder.conv_out.bias, expected)
    alone, kept = tmp_path / "alone.safetensors", tmp_path / "kept.safetensors"
    save_file(vae_tensors(other) | {"loss.logvar": torch.zeros(())}, alone)
    save_file(under("vae.", vae_tensors(other)), kept)
    for part in ("unet", "text_encoder"):
        shutil.copytree(tiny_folder / part, other / part)
    whole = save_original(other, tmp_path / "whole.safetensors")
    forms = [other, other / "vae", next((other / "vae").glob("*.safetensors")), alone, kept, whole]
    for form in forms:
        assert torch.equal(_bias(tiny_folder, form), expected), form


def test_names_that_diffusers_gave_earlier(tiny_xl_folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "old.safetensors"
    tensors = load_file(next((tiny_xl_folder / "vae").glob("*.safetensors")))
    old = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    for new, was in old.items():
        tensors = {name.replace(f".{new}.", f".{was}."): one for name, one in tensors.items()}
    assert any(".query." in name for name in tensors)
    save_file(tensors, file)
    found, own = (load(str(tiny_xl_folder), vae=vae, device="cpu").vae for vae in (str(file), None))
    for name, tensor in own.state_dict().items():
        assert torch.equal(found.state_dict()[name], tensor)


def _config(folder: Path, **changed: object) -> Path:
    file = folder / "vae" / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changed))
    return folder


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        (
            {"scaling_factor": 0.13025},
            r"scaling_factor 0.13025, the model's own has 0.18215.*0.13025 of SDXL",
        ),
        ({"latent_channels": 16}, r"16 latent channels \(as Flux's and Stable Diffusion 3's\).*own has 4"),
        ({"_class_name": "AutoencoderTiny"}, "kind AutoencoderTiny, expected AutoencoderKL"),
        ({"block_out_channels": [4, 8, 8, 8]}, "8 times smaller, the model's own 2 times"),
        ({"shift_factor": 0.1}, "shift_factor 0.1, expected none"),
    ],
)
def test_a_vae_of_another_model_is_named(
    tiny_folder: Path, other: Path, changed: dict[str, object], told: str
) -> None:
    _config(other, **changed)
    with pytest.raises(ModelFolderError, match=told):
        load(str(tiny_folder), vae=str(other), device="cpu")


def test_a_file_of_a_vae_of_another_model_is_named(tiny_folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "vae.safetensors"
    tensors = vae_tensors(tiny_folder)
    weight = tensors["decoder.conv_in.weight"]
    save_file(tensors | {"decoder.conv_in.weight": torch.zeros(len(weight), 16, 3, 3)}, file)
    with pytest.raises(ModelFolderError, match=r"vae\.safetensors: a VAE of 16 latent channels \(as Flux's"):
        load(str(tiny_folder), vae=str(file), device="cpu")
    save_file(vae_tensors(miniature_folder()), file)
    with pytest.raises(ModelFolderError, match=r"vae\.safetensors: \d+ tensors.*made for this version"):
        load(str(tiny_folder), vae=str(file), device="cpu")
    del tensors["decoder.conv_out.bias"]
    save_file(tensors, file)
    with pytest.raises(ModelFolderError, match=r"1 tensor missing \(decoder\.conv_out\.bias\)"):
        load(str(tiny_folder), vae=str(file), device="cpu")


def test_what_is_no_vae_is_named(tiny_folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "some.safetensors"
    save_file({"lora_unet_x.lora_down.weight": torch.zeros(1)}, file)
    with pytest.raises(ModelFolderError, match="some.safetensors: a LoRA, expected a VAE"):
        load(str(tiny_folder), vae=str(file), device="cpu")
    small = AutoencoderTiny(
        encoder_block_out_channels=(4, 4),
        decoder_block_out_channels=(4, 4),
        num_encoder_blocks=(1, 1),
        num_decoder_blocks=(1, 1),
    )
    save_file(small.state_dict(), file)
    with pytest.raises(ModelFolderError, match="a small VAE for previews.*expected a VAE"):
        load(str(tiny_folder), vae=str(file), device="cpu")
    with pytest.raises(ModelFolderError, match="kind clip_text_model, expected AutoencoderKL"):
        load(str(tiny_folder), vae=str(tiny_folder / "text_encoder"), device="cpu")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelFolderError, match="no VAE in it"):
        load(str(tiny_folder), vae=str(tmp_path / "empty"), device="cpu")
    (tmp_path / "vae.pt").write_bytes(b"x")
    with pytest.raises(ModelFolderError, match="a pickle file can run code"):
        load(str(tiny_folder), vae=str(tmp_path / "vae.pt"), device="cpu")
    with pytest.raises(ModelFolderError, match="no such folder, and not a hub id"):
        load(str(tiny_folder), vae="nowhere", device="cpu")
