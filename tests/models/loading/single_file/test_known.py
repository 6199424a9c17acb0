"""Settings that the package knows: the networks of the usual models, to the last weight and name."""

import shutil
from pathlib import Path

import pytest
from diffusers import AutoencoderKL, UNet2DConditionModel
from torch import nn
from transformers import CLIPTextModel, CLIPTextModelWithProjection

from frameweave.diffusion.scheduler_config import SchedulerConfig
from frameweave.errors import ModelFolderError
from frameweave.models.loading.choice import KNOWN
from frameweave.models.loading.single_file import known
from frameweave.models.loading.single_file.known import Known
from frameweave.models.loading.single_file.names import clip_spots, open_clip_spots, unet_spots, vae_spots
from frameweave.models.loading.single_file.read import empty_network

VAE = 83_653_863
WEIGHTS = {
    "sd1.5": (859_520_964, 123_060_480),
    "sd2.1": (865_910_724, 340_387_840),
    "sd2.1-base": (865_910_724, 340_387_840),
    "sdxl": (2_567_463_684, 123_060_480),
}
"""Of UNet and text encoder, as published."""
SECOND = 694_659_840


def _weights(network: nn.Module) -> int:
    return sum(weight.numel() for weight in network.parameters())


@pytest.mark.parametrize("name", KNOWN)
def test_the_networks_have_their_published_sizes(name: str) -> None:
    settings = Known(name)
    unet, vae, text = (
        empty_network(kind, settings.config(part), name)
        for kind, part in (
            (UNet2DConditionModel, "unet"),
            (AutoencoderKL, "vae"),
            (CLIPTextModel, "text_encoder"),
        )
    )
    assert (_weights(unet), _weights(text)) == WEIGHTS[name]
    assert _weights(vae) == VAE
    if name == "sdxl":
        second = empty_network(CLIPTextModelWithProjection, settings.config("text_encoder_2"), name)
        assert _weights(second) == SECOND


def test_the_names_are_those_of_published_files() -> None:
    """v1-5-pruned-emaonly has 1131 tensors, one of positions; sd_xl_base_1.0 has 2515, two of them unused."""
    first, xl = Known("sd1.5"), Known("sdxl")
    unet = empty_network(UNet2DConditionModel, first.config("unet"), "")
    vae = empty_network(AutoencoderKL, first.config("vae"), "")
    text = empty_network(CLIPTextModel, first.config("text_encoder"), "")
    spots = [
        *unet_spots(unet.state_dict(), [2] * 4, "model.diffusion_model.").values(),
        *vae_spots(vae.state_dict(), 4, "first_stage_model.").values(),
        *clip_spots(text.state_dict(), "cond_stage_model.transformer.text_model.").values(),
    ]
    names = {spot.name for spot in spots}
    assert len(names) == len(spots) == 1131 - 1
    assert {
        "model.diffusion_model.input_blocks.4.0.skip_connection.weight",
        "model.diffusion_model.input_blocks.9.0.op.bias",
        "model.diffusion_model.middle_block.1.transformer_blocks.0.attn2.to_k.weight",
        "model.diffusion_model.output_blocks.2.1.conv.weight",
        "model.diffusion_model.output_blocks.5.2.conv.weight",
        "model.diffusion_model.output_blocks.11.0.skip_connection.weight",
        "model.diffusion_model.output_blocks.11.1.proj_out.weight",
        "first_stage_model.encoder.down.2.downsample.conv.weight",
        "first_stage_model.decoder.up.3.upsample.conv.weight",
        "first_stage_model.decoder.up.0.block.0.nin_shortcut.weight",
        "first_stage_model.decoder.mid.attn_1.proj_out.weight",
        "cond_stage_model.transformer.text_model.encoder.layers.11.mlp.fc2.bias",
    } <= names
    xl_unet = empty_network(UNet2DConditionModel, xl.config("unet"), "")
    second = empty_network(CLIPTextModelWithProjection, xl.config("text_encoder_2"), "")
    names = {spot.name for spot in unet_spots(xl_unet.state_dict(), [2] * 3, "").values()}
    names_2 = {spot.name for spot in open_clip_spots(second.state_dict(), "").values()}
    assert {
        "label_emb.0.2.weight",
        "input_blocks.8.1.transformer_blocks.9.attn2.to_k.weight",
        "output_blocks.2.2.conv.weight",
        "output_blocks.5.2.conv.weight",
    } <= names
    assert {
        "positional_embedding",
        "text_projection",
        "transformer.resblocks.31.attn.in_proj_bias",
    } <= names_2
    assert len(names) + 248 + 196 + len(names_2) == 2515 - 2


@pytest.mark.parametrize(
    ("name", "prediction"),
    [("sd1.5", "epsilon"), ("sd2.1-base", "epsilon"), ("sd2.1", "v_prediction"), ("sdxl", "epsilon")],
)
def test_the_schedulers_can_be_followed(name: str, prediction: str) -> None:
    scheduler = SchedulerConfig.read(Known(name).config("scheduler"))
    assert scheduler.prediction_type == prediction
    assert (scheduler.steps_offset, scheduler.set_alpha_to_one) == (1, False)


@pytest.fixture
def encoder() -> CLIPTextModel:
    return empty_network(CLIPTextModel, Known("sd1.5").config("text_encoder"), "")


@pytest.mark.parametrize(
    ("name", "part", "pad"),
    [
        ("sd1.5", "tokenizer", "<|endoftext|>"),
        ("sd2.1", "tokenizer", "!"),
        ("sdxl", "tokenizer", "<|endoftext|>"),
        ("sdxl", "tokenizer_2", "!"),
    ],
)
def test_the_vocabulary_comes_from_the_hub_s_cache(
    monkeypatch: pytest.MonkeyPatch,
    tiny_folder: Path,
    tmp_path: Path,
    encoder: CLIPTextModel,
    name: str,
    part: str,
    pad: str,
) -> None:
    """Whichever of the usual models is there: their words are the same, only what fills texts up is not."""
    usual = known.VOCABULARIES[1][0]
    shutil.copytree(tiny_folder / "tokenizer", tmp_path / "tokenizer")
    monkeypatch.setattr(known, "here", lambda asked: tmp_path if asked == usual else None)
    monkeypatch.setattr(known, "reachable", lambda: pytest.fail("no hub is asked"))
    tokenizer = Known(name).tokenizer(part, encoder.config)
    assert tokenizer.pad_token == pad
    assert tokenizer("a", padding="max_length", max_length=8).input_ids[-1] == tokenizer.pad_token_id


def test_without_a_vocabulary_it_is_told_where_to_get_it(
    monkeypatch: pytest.MonkeyPatch, encoder: CLIPTextModel
) -> None:
    monkeypatch.setattr(known, "here", lambda _name: None)
    monkeypatch.setattr(known, "reachable", lambda: False)
    with pytest.raises(
        ModelFolderError, match=r"vocabulary of openai/clip.*--model-config.*hf download openai"
    ):
        Known("sd1.5").tokenizer("tokenizer", encoder.config)
