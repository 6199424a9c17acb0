"""Layers are found by every spelling, those of the original code too."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from diffusers import StableDiffusionXLPipeline, UNet2DConditionModel

from frameweave.models.loras.merging import loras
from frameweave.models.loras.names import Places
from frameweave.models.original import OriginalNames
from frameweave.models.stable_diffusion import StableDiffusion
from style_loras import kohya, random_pairs, same, saved, states, summed, weighted

SDXL = {
    "down_blocks.1.attentions.0.transformer_blocks.1": "input_blocks.4.1.transformer_blocks.1",
    "down_blocks.0.downsamplers.0.conv": "input_blocks.3.0.op",
    "down_blocks.2.resnets.1.time_emb_proj": "input_blocks.8.0.emb_layers.1",
    "mid_block.attentions.0.proj_in": "middle_block.1.proj_in",
    "up_blocks.0.upsamplers.0.conv": "output_blocks.2.2.conv",
    "up_blocks.1.resnets.0.conv_shortcut": "output_blocks.3.0.skip_connection",
    "up_blocks.2.resnets.2.conv2": "output_blocks.8.0.out_layers.3",
    "conv_in": "input_blocks.0.0",
    "conv_out": "out.2",
    "add_embedding.linear_2": "label_emb.0.2",
}
"""Names of a full-size SDXL UNet."""
SD1 = {
    "down_blocks.0.attentions.1.transformer_blocks.0.ff": "input_blocks.2.1.transformer_blocks.0.ff",
    "up_blocks.0.upsamplers.0.conv": "output_blocks.2.1.conv",
    "up_blocks.1.upsamplers.0.conv": "output_blocks.5.2.conv",
    "up_blocks.3.attentions.2.proj_out": "output_blocks.11.1.proj_out",
    "down_blocks.3.resnets.1.conv1": "input_blocks.11.0.in_layers.2",
}


def _full_sdxl() -> UNet2DConditionModel:
    return UNet2DConditionModel(
        block_out_channels=(320, 640, 1280),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        transformer_layers_per_block=(1, 2, 10),
        attention_head_dim=(5, 10, 20),
        cross_attention_dim=2048,
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=256,
        projection_class_embeddings_input_dim=2816,
    )


@pytest.mark.parametrize(("kind", "known"), [("SDXL", SDXL), ("SD 1.x", SD1)])
def test_original_names_of_full_size_models(kind: str, known: dict[str, str]) -> None:
    with torch.device("meta"):
        unet = _full_sdxl() if kind == "SDXL" else UNet2DConditionModel(cross_attention_dim=768)
    names, layers = OriginalNames.of_unet(unet), weighted(unet)
    for own, original in known.items():
        assert unet.get_submodule(own)
        assert names.of(own) == original
    spelled = [names.of(layer) for layer in layers]
    assert None not in spelled and len({*spelled}) == len(layers)
    places = Places(unet, [])
    for own, layer in layers.items():
        for name in (own, names.of(own)):
            assert name is not None
            assert places.find("lora_unet_" + name.replace(".", "_")) is layer
            assert places.find(f"diffusion_model.{name}") is layer


@pytest.mark.parametrize("original", [True, False])
def test_a_whole_sdxl_lora(
    tiny_xl: StableDiffusion, tiny_xl_folder: Path, tmp_path: Path, original: bool
) -> None:
    """UNet and both text encoders, as kohya writes them; the pipeline of diffusers gives the same UNet."""
    names = OriginalNames.of_unet(tiny_xl.unet)
    pairs = random_pairs(tiny_xl.unet)
    first, second = (random_pairs(encoder, seed=seed) for seed, encoder in enumerate(tiny_xl.text.networks))
    first = {name: replace(pair, alpha=0.25 * 2**i) for i, (name, pair) in enumerate(first.items())}
    spelled = {names.of(name) if original else name: pair for name, pair in pairs.items()}
    unet = kohya({name: pair for name, pair in spelled.items() if name is not None})
    text = kohya(first, "lora_te1_text_model_") | kohya(
        {name.removeprefix("text_model."): pair for name, pair in second.items() if "projection" not in name},
        "lora_te2_text_model_",
    )
    projection = {name: pair for name, pair in second.items() if "projection" in name}
    text |= kohya(projection, "lora_te2_")
    expected = [
        summed(network, own)
        for network, own in zip((tiny_xl.unet, *tiny_xl.text.networks), (pairs, first, second), strict=True)
    ]
    with loras(tiny_xl, [saved(unet | text, tmp_path / "a.safetensors")]):
        assert same(
            states(tiny_xl), [value for network in expected for value in network.state_dict().values()]
        )
    if not original:  # diffusers leaves add_embedding out then
        return
    pipeline = StableDiffusionXLPipeline.from_pretrained(tiny_xl_folder)
    pipeline.load_lora_weights(saved(unet, tmp_path / "b.safetensors"))
    pipeline.fuse_lora()
    pipeline.unload_lora_weights()
    for mine, theirs in zip(expected[0].parameters(), pipeline.unet.parameters(), strict=True):
        assert torch.allclose(mine, theirs, atol=1e-6)


def test_earlier_names_of_text_encoders(tiny: StableDiffusion) -> None:
    places, encoder = Places(tiny.unet, tiny.text.networks), tiny.text.networks[0]
    inside = "encoder.layers.0.self_attn"
    for name in (
        f"text_encoder.text_model.{inside}.to_q",
        f"text_encoder.{inside}.q_proj",
        f"text_encoder.base_model.model.text_model.{inside}.q_proj",
        "lora_te_text_model_encoder_layers_0_self_attn_q_proj",
        f"text_model.{inside}.q_proj",
        f"clip_l.transformer.text_model.{inside}.q_proj",
        f"text_encoders.clip_l.transformer.text_model.{inside}.q_proj",
    ):
        assert places.find(name) is encoder.get_submodule(f"{inside}.q_proj")
    assert places.find("lora_te_text_model_encoder_layers_9_self_attn_q_proj") is None
