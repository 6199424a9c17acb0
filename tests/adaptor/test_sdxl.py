"""Adaptors of SDXL in other programs: names, headers, stock pipelines, and the mistake of another model's."""

import dataclasses
import json
from pathlib import Path

import pytest
import torch
from diffusers import StableDiffusionXLPipeline, UNet2DConditionModel
from diffusers.utils import convert_unet_state_dict_to_peft
from torch import nn

from frameweave.adaptor.adaptor import Adaptor
from frameweave.adaptor.card import Card
from frameweave.adaptor.export import export
from frameweave.adaptor.formats import (
    DIFFUSERS_FILE,
    KOHYA_FILE,
    SDXL,
    kohya_header,
    kohya_layout,
    kohya_name,
    layer_name,
    modelspec,
    read_layout,
)
from frameweave.adaptor.lora import pattern
from frameweave.adaptor.options import ExportOptions, VerifyOptions
from frameweave.adaptor.pipeline import windowed
from frameweave.adaptor.verify import verify
from frameweave.errors import AdaptorMismatch
from frameweave.models.seam import Guides
from frameweave.models.stable_diffusion import StableDiffusion
from full_size import sdxl_unet
from tiny import new_adaptor

CARD = Card(base="sdxl", architecture=SDXL, layers=pattern("all"), rank=1, alpha=1.0)


@pytest.fixture(scope="module")
def unet() -> UNet2DConditionModel:
    return sdxl_unet()


@pytest.fixture(scope="module")
def adaptor_xl(tiny_xl: StableDiffusion, tiny_xl_folder: Path) -> Adaptor:
    return new_adaptor(tiny_xl, base=str(tiny_xl_folder))


def linear_layers(unet: UNet2DConditionModel) -> list[str]:
    """Every layer that a LoRA of ours can be on."""
    named = (name for name, module in unet.named_modules() if isinstance(module, nn.Linear))
    return [name for name in named if "_block" in name]


def test_every_layer_has_the_name_that_diffusers_knows_it_by(unet: UNet2DConditionModel) -> None:
    """In kohya's file SDXL's layers have sgm names; diffusers' own conversion is the judge."""
    layers = linear_layers(unet)
    lora = {
        f"{layer}.{half}.weight": torch.full((1, 1), float(number))
        for number, layer in enumerate(layers)
        for half in ("lora_A", "lora_B")
    }
    written = kohya_layout(lora, CARD)
    assert not any("_blocks_0_attentions" in key or "mid_block" in key for key in written)
    theirs, _ = StableDiffusionXLPipeline.lora_state_dict(written, unet_config=unet.config)
    found = convert_unet_state_dict_to_peft(theirs)
    assert len(layers) == 722 + 17
    assert {key: float(w) for key, w in found.items()} == {
        f"unet.{layer}.{half}.weight": number
        for number, layer in enumerate(layers)
        for half in ("lora_A", "lora_B")
    }


def test_names_by_hand_and_back(unet: UNet2DConditionModel) -> None:
    layers = linear_layers(unet)
    names = {kohya_name(layer, sgm=True) for layer in layers}
    assert len(names) == len(layers)
    assert {
        "lora_unet_input_blocks_4_1_transformer_blocks_1_attn1_to_out_0",
        "lora_unet_input_blocks_8_1_transformer_blocks_9_attn2_to_k",
        "lora_unet_middle_block_1_transformer_blocks_0_ff_net_0_proj",
        "lora_unet_output_blocks_0_1_proj_in",
        "lora_unet_output_blocks_5_1_transformer_blocks_1_attn2_to_v",
        "lora_unet_input_blocks_1_0_emb_layers_1",
        "lora_unet_middle_block_2_emb_layers_1",
        "lora_unet_output_blocks_8_0_emb_layers_1",
    } <= names
    assert all(layer_name(kohya_name(layer, sgm=True)) == layer for layer in layers)


def test_headers_and_workflow_name_sdxl(adaptor_xl: Adaptor, tmp_path: Path) -> None:
    header = kohya_header(CARD)
    assert (header["ss_base_model_version"], header["ss_v2"]) == ("sdxl_base_v1-0", "False")
    assert modelspec(CARD)["modelspec.architecture"] == "stable-diffusion-xl-v1-base/lora"
    layer = "down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q"
    lora = {f"{layer}.lora_A.weight": torch.ones(1, 640), f"{layer}.lora_B.weight": torch.ones(640, 1)}
    full_size = Adaptor(lora, None, CARD)
    full_size.save(tmp_path / "adaptor")
    export(str(tmp_path / "adaptor"), ExportOptions(out=tmp_path / "out"))
    nodes = json.loads((tmp_path / "out" / "comfyui.json").read_text())
    inputs = {node["class_type"]: node["inputs"] for node in nodes.values()}
    assert inputs["CheckpointLoaderSimple"]["ckpt_name"] == "sd_xl_base_1.0.safetensors"
    assert inputs["EmptyLatentImage"]["width"] == inputs["EmptyLatentImage"]["height"] == 1024
    for file in (DIFFUSERS_FILE, KOHYA_FILE):
        assert read_layout(tmp_path / "out" / file).keys() == lora.keys()


def test_an_adaptor_has_the_same_effect_everywhere(
    adaptor_xl: Adaptor, tiny_xl_folder: Path, tmp_path: Path
) -> None:
    adaptor_xl.save(tmp_path)
    rows = list(verify(str(tmp_path), VerifyOptions(device="cpu", steps=10, guidance=3.0)))
    assert len(rows) == 10
    assert all(row.max_difference <= row.tolerance for row in rows)


def test_the_window_holds_in_a_stock_pipeline(
    adaptor_xl: Adaptor, tiny_xl: StableDiffusion, tiny_xl_folder: Path, tmp_path: Path
) -> None:
    adaptor_xl.save(tmp_path)
    pipeline = StableDiffusionXLPipeline.from_pretrained(tiny_xl_folder)
    pipeline.load_lora_weights(tmp_path, weight_name=KOHYA_FILE, adapter_name="ours")
    given = tiny_xl.conditioning(["a red car"])
    x = torch.randn(1, 4, 8, 8)

    def theirs(t: int) -> torch.Tensor:
        added = given.added(1, (32, 32))
        with torch.no_grad():
            return pipeline.unet(x, t, given.texts[0], added_cond_kwargs=added).sample

    use = adaptor_xl.use(tokens=False)
    with windowed(pipeline, use, adapter="ours"), adaptor_xl.on(tiny_xl, use) as adapted_model:
        for t in (951, 501):
            assert torch.allclose(theirs(t), adapted_model.predict(x, t, given)[0], atol=1e-5)
        assert torch.allclose(
            theirs(501),
            tiny_xl.unet(x, 501, given.texts[0], added_cond_kwargs=given.added(1, (32, 32))).sample,
            atol=1e-5,
        )


def test_tokens_are_as_wide_as_both_towers_and_leave_the_pooled_text(
    adaptor_xl: Adaptor, tiny_xl: StableDiffusion
) -> None:
    frames = torch.rand(2, 3, 32, 32)
    with adaptor_xl.on(tiny_xl, adaptor_xl.use(tokens=True)) as adapted_model:
        seen = adapted_model.seen(frames)
        given = adapted_model.conditioning(["", "a red car"], Guides(seen=seen), negative=(0,))
        plain = tiny_xl.conditioning(["", "a red car"], negative=(0,))
        assert given.texts.shape == (2, 2, 3 + 9 + 32, 80)
        assert torch.equal(given.texts[:, :, 12:], plain.texts.expand(-1, 2, -1, -1))
        x = torch.randn(2, 4, 8, 8)
        with_tokens = adapted_model.predict(x, 951, given)
        one = adapted_model.predict(x, 951, given.branches(1))
        assert torch.allclose(one, with_tokens[1:], atol=1e-5)
        added = plain.added(2, (32, 32))
        assert added is not None
        text, batch = given.texts.flatten(0, 1), x.repeat(2, 1, 1, 1)
        with torch.no_grad():
            expected = tiny_xl.unet(batch, 951, text, added_cond_kwargs=added).sample.unflatten(0, (2, 2))
        assert torch.allclose(with_tokens, expected, atol=1e-5)


def test_an_adaptor_of_another_kind_is_refused(
    adaptor: Adaptor, adaptor_xl: Adaptor, tiny: StableDiffusion, tiny_xl: StableDiffusion
) -> None:
    for one, model in ((adaptor, tiny_xl), (adaptor_xl, tiny)):
        with pytest.raises(AdaptorMismatch, match="the adaptor was trained on"), one.on(model, one.use()):
            pass
    full_size = dataclasses.replace(adaptor_xl, card=CARD)
    with (
        pytest.raises(AdaptorMismatch, match=r"UNet 320-640-1280 x 2048, SDXL\), the model's UNet is 8-16 x"),
        full_size.on(tiny, full_size.use()),
    ):
        pass
