"""Every file says what it is: the kinds that can be edited with, and each other one by its name."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from frameweave.errors import ModelFolderError
from frameweave.models.loading.choice import miniature_folder
from frameweave.models.loading.load import load
from frameweave.models.loading.single_file.header import Header
from frameweave.models.loading.single_file.kinds import SD1, SD2, SDXL, Kind, diffused, kind_of
from frameweave.models.loading.single_file.parts import FileParts

Shapes = dict[str, tuple[int, ...]]
UNET = "model.diffusion_model."


def _checkpoint(width: int, towers: tuple[str, ...], channels: int = 4, more: Shapes | None = None) -> Shapes:
    return {
        f"{UNET}input_blocks.0.0.weight": (320, channels, 3, 3),
        f"{UNET}input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight": (320, width),
        "first_stage_model.encoder.conv_in.weight": (128, 3, 3, 3),
        **{f"{tower}x": (1,) for tower in towers},
        **(more or {}),
    }


ONE = _checkpoint(768, ("cond_stage_model.transformer.",))
TWO = _checkpoint(1024, ("cond_stage_model.model.",))
BASE = _checkpoint(2048, ("conditioner.embedders.0.transformer.", "conditioner.embedders.1.model."))


def _file(folder: Path, shapes: Shapes, notes: dict[str, str] | None = None) -> Path:
    file = folder / "some.safetensors"
    save_file({name: torch.zeros(shape) for name, shape in shapes.items()}, file, notes)
    return file


@pytest.mark.parametrize(
    ("shapes", "kind"),
    [
        (ONE, SD1),
        (TWO, SD2),
        (BASE, SDXL),
        (_checkpoint(768, ("cond_stage_model.transformer.",), 8), SD1),
        (BASE | {f"{UNET}label_emb.0.0.weight": (1280, 2816)}, SDXL),
    ],
)
def test_what_can_be_edited_with(tmp_path: Path, shapes: Shapes, kind: Kind) -> None:
    assert kind_of(Header.read(_file(tmp_path, shapes))) is kind


ODD: list[tuple[Shapes, str, str]] = [
    (
        _checkpoint(768, ("cond_stage_model.transformer.",), 9),
        "Stable Diffusion 1.x for inpainting",
        "made from",
    ),
    (_checkpoint(1024, ("cond_stage_model.model.",), 9), "Stable Diffusion 2.x for inpainting", "made from"),
    (BASE | {f"{UNET}input_blocks.0.0.weight": (320, 9, 3, 3)}, "SDXL for inpainting", "made from"),
    (_checkpoint(1024, ("cond_stage_model.model.",), 5), "sees depth beside the latents", "made from"),
    (_checkpoint(1024, ("cond_stage_model.model.",), 7), "an upscaler of Stable Diffusion 2.x", "made from"),
    (
        _checkpoint(768, ("cond_stage_model.transformer.",), 13),
        "13 input channels, expected 4 or 8",
        "made from",
    ),
    (TWO | {f"{UNET}label_emb.0.0.weight": (4, 4)}, "needs more than a text, as unCLIP", "made from"),
    (_checkpoint(1280, ("conditioner.embedders.0.model.",)), "the refiner of SDXL", "SDXL base"),
    (BASE | {"edm_mean": (4,)}, "trained by EDM, as Playground 2.5", "1000 timesteps"),
    (ONE | {"control_model.zero_convs.0.0.weight": (1,)}, "a ControlNet", "--controlnet"),
    (ONE | {f"{UNET}input_blocks.1.0.time_stack.x": (1,)}, "Stable Video Diffusion", "models of pictures"),
    (ONE | {f"{UNET}input_blocks.1.0.temopral_conv.x": (1,)}, "ModelScope", "models of pictures"),
    ({"down_blocks.0.motion_modules.0.x": (1,)}, "motion modules of AnimateDiff", "models of pictures"),
    ({"head.modulation": (1,), "blocks.0.self_attn.q.weight": (1,)}, "Wan", "models of pictures"),
    ({f"{UNET}head.modulation": (1,)}, "Wan", "models of pictures"),
    (
        {"txt_in.individual_token_refiner.blocks.0.x": (1,), "double_blocks.0.x": (1,)},
        "HunyuanVideo",
        "pictures",
    ),
    ({f"{UNET}patchify_proj.weight": (1,)}, "LTX-Video", "models of pictures"),
    ({"blocks.0.attn.qkv_x.weight": (1,)}, "Mochi", "models of pictures"),
    ({"patch_embed.text_proj.weight": (1,)}, "CogVideoX", "models of pictures"),
    ({"net.x_embedder.proj.1.weight": (1,)}, "Cosmos", "models of pictures"),
    (
        {f"{UNET}joint_blocks.0.x": (1,), "first_stage_model.encoder.conv_in.weight": (1,)},
        "Stable Diffusion 3",
        "",
    ),
    (
        {"pos_embed.proj.weight": (1,), "transformer_blocks.0.attn.to_q.weight": (1,)},
        "Stable Diffusion 3",
        "",
    ),
    ({"double_blocks.0.img_attn.norm.key_norm.scale": (1,)}, "Flux", "another kind of network"),
    ({"single_transformer_blocks.0.attn.to_q.weight": (1,)}, "Flux", "another kind of network"),
    ({"distilled_guidance_layer.in_proj.bias": (1,), "double_blocks.0.x": (1,)}, "Chroma", ""),
    ({"double_layers.0.attn.w2q.weight": (1,)}, "AuraFlow", ""),
    ({"transformer_blocks.0.img_mod.1.weight": (1,)}, "Qwen-Image", ""),
    ({"double_stream_blocks.0.block.x": (1,)}, "HiDream", ""),
    ({"cap_embedder.0.weight": (1,)}, "Lumina or Z-Image", ""),
    ({"blocks.0.cross_attn.kv_linear.weight": (1,)}, "Sana", ""),
    ({"adaln_single.linear.weight": (1,), "pos_embed.proj.weight": (1,)}, "PixArt", ""),
    ({"clip_txt_mapper.weight": (1,)}, "Stable Cascade", ""),
    ({"lora_unet_down_blocks_0_x.lora_down.weight": (1,)}, "a LoRA", "--lora"),
    ({"unet.down_blocks.0.attentions.0.to_q.lora_A.weight": (1,)}, "a LoRA", "--lora"),
    ({"lora_te1_x.hada_w1_a": (1,)}, "a LoRA", "--lora"),
    (
        {"controlnet_cond_embedding.conv_in.weight": (1,), "down_blocks.0.resnets.0.x": (1,)},
        "a ControlNet",
        "",
    ),
    (
        {"image_proj.proj.weight": (1,), "ip_adapter.1.to_k_ip.weight": (1,)},
        "an IP-Adapter",
        "--image-prompt",
    ),
    ({"adapter.body.0.resnets.0.block1.weight": (1,)}, "a T2I-Adapter", "cannot be used"),
    ({"first_stage_model.encoder.conv_in.weight": (1,)}, "a VAE", "--vae"),
    ({"encoder.conv_in.weight": (1,), "decoder.mid.block_1.norm1.weight": (1,)}, "a VAE", "--vae"),
    ({"encoder.layers.0.weight": (1,)}, "small VAE for previews", "leave it out"),
    ({"emb_params": (3, 768)}, "an embedding", "--embedding"),
    ({"<cat-toy>": (768,)}, "an embedding", "--embedding"),
    ({"clip_l": (2, 768), "clip_g": (2, 1280)}, "an embedding", "--embedding"),
    (
        {"down_blocks.0.resnets.0.conv1.weight": (1,)},
        "a UNet alone, in the layout of diffusers",
        "whole diffusers",
    ),
    ({"input_blocks.0.0.weight": (320, 4, 3, 3)}, "a UNet alone", "in one file or as a diffusers folder"),
    ({"text_model.embeddings.token_embedding.weight": (1,)}, "a text encoder alone", "together"),
    ({"vision_model.embeddings.patch_embedding.weight": (1,)}, "an image encoder", "--vision"),
    ({"model.0.weight": (1,)}, "an upscaler of pictures", "no edits"),
    (
        {"something": (1,), "else": (2,)},
        r"no checkpoint that is known \(tensors such as else, something\)",
        "",
    ),
    ({}, "no tensors in it", "download it again"),
    (
        _checkpoint(768, ()),
        r"without its text encoder \(no tensors cond_stage_model.transformer",
        "whole checkpoint",
    ),
    (_checkpoint(555, ()), "reads texts 555 wide, and no text encoder that is known", ""),
]


@pytest.mark.parametrize(("shapes", "what", "todo"), ODD)
def test_every_other_kind_is_told_by_name(tmp_path: Path, shapes: Shapes, what: str, todo: str) -> None:
    with pytest.raises(ModelFolderError, match=rf"some\.safetensors: .*{what}") as told:
        load(str(_file(tmp_path, shapes)), device="cpu")
    assert todo in str(told.value)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"PK\x03\x04 and so on", "a pickle of PyTorch, whatever its name says"),
        (b"\x80\x02}q\x00.", "a pickle, whatever its name says"),
        (b"GGUF\x03\x00\x00\x00", "a GGUF file"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "a pointer of Git LFS"),
        (b"<!DOCTYPE html><html></html>", "a web page or a text in place of the weights"),
        (b"", "empty"),
        (b"\x10\x00\x00\x00\x00\x00\x00\x00{}", "damaged"),
        (b"\xff" * 64, "damaged"),
    ],
)
def test_what_is_no_safetensors_file_is_told(tmp_path: Path, content: bytes, told: str) -> None:
    file = tmp_path / "model.safetensors"
    file.write_bytes(content)
    with pytest.raises(ModelFolderError, match=rf"model\.safetensors: {told}"):
        load(str(file), device="cpu")


def test_a_file_of_another_ending_is_told(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("# A model\n")
    with pytest.raises(ModelFolderError, match=r"README\.md: not a safetensors file"):
        load(str(tmp_path / "README.md"), device="cpu")


@pytest.mark.parametrize("name", ["model.ckpt", "model.CKPT", "model.pt", "model.bin"])
def test_pickles_are_refused_unopened(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"cos\nsystem\n(S'touch hacked'\ntR.")
    with pytest.raises(ModelFolderError, match="a pickle file can run code"):
        load(str(tmp_path / name))
    assert not Path("hacked").exists()


def test_a_piece_of_a_network_is_told(tmp_path: Path) -> None:
    file = tmp_path / "model-00001-of-00002.safetensors"
    _file(tmp_path, ONE).rename(file)
    with pytest.raises(ModelFolderError, match="one of several files that hold a network together"):
        load(str(file))


def _settings(file: Path, config: str | None = None) -> str:
    return FileParts.of(file, config).settings.source


def test_settings_of_the_usual_kinds_are_known(tmp_path: Path) -> None:
    assert _settings(_file(tmp_path, ONE)) == "sd1.5"
    assert _settings(_file(tmp_path, BASE)) == "sdxl"
    with pytest.raises(ModelFolderError, match=r"SDXL, and --model-config sd1.5 is of another kind.*sdxl"):
        _settings(_file(tmp_path, BASE), "sd1.5")
    with pytest.raises(ModelFolderError, match=r"unusual size: its UNet reads texts 16 wide.*--model-config"):
        _settings(_file(tmp_path, _checkpoint(16, ("cond_stage_model.transformer.",))))


def test_what_stable_diffusion_2_predicts(tmp_path: Path) -> None:
    """Noise or v: the file's notes say it, or whoever loads it."""
    with pytest.raises(ModelFolderError, match=r"what its UNet predicts; .*sd2\.1 \(v.*sd2\.1-base \(noise"):
        _settings(_file(tmp_path, TWO))
    assert _settings(_file(tmp_path, TWO), "sd2.1-base") == "sd2.1-base"
    for notes, expected in (
        ({"modelspec.architecture": "stable-diffusion-v2-768-v"}, "sd2.1"),
        ({"modelspec.architecture": "stable-diffusion-v2-512"}, "sd2.1-base"),
        ({"modelspec.prediction_type": "v"}, "sd2.1"),
        ({"modelspec.prediction_type": "epsilon"}, "sd2.1-base"),
    ):
        assert _settings(_file(tmp_path, TWO, notes)) == expected


def test_what_a_file_says_of_its_training_counts(tmp_path: Path) -> None:
    file = _file(tmp_path, BASE | {"v_pred": (0,), "ztsnr": (0,)})
    parts = FileParts.of(file, None)
    assert parts.config("scheduler")["prediction_type"] == "v_prediction"
    assert parts.config("scheduler")["rescale_betas_zero_snr"] is True
    with_folder = FileParts.of(file, str(miniature_folder()))  # whose scheduler says epsilon
    assert with_folder.config("scheduler")["prediction_type"] == "v_prediction"
    assert diffused(Header.read(_file(tmp_path, BASE))) == {}
