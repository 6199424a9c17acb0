"""What is no LoRA of this model is told before anything is changed, with what it is and what to do."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from frameweave.adaptor.adaptor import Adaptor
from frameweave.errors import FrameweaveError, InputError, ModelFolderError
from frameweave.models.identity import inputs_of
from frameweave.models.loading import hub, tensor_files
from frameweave.models.loading.choice import ModelChoice
from frameweave.models.loading.load import load
from frameweave.models.loras.asked import asked
from frameweave.models.loras.fitted import lora_content, lora_file
from frameweave.models.loras.merging import loras
from frameweave.models.loras.peft_settings import PeftSettings
from frameweave.models.stable_diffusion import StableDiffusion
from style_loras import Tensors, kohya, random_pairs, same, saved, states
from tiny_xl import WIDTH as XL_WIDTH

QUERY = "mid_block_attentions_0_transformer_blocks_0_attn2_to_q"
KEY = QUERY[:-1] + "k"


def _pair(layer: str, rows: int = 2, columns: int = 3, form: str = "lora_{}.weight") -> Tensors:
    names = ("up", "down") if "{}" in form and "lora_{}" in form else ("B", "A")
    return {
        f"{layer}.{form.format(names[0])}": torch.ones(rows, 1),
        f"{layer}.{form.format(names[1])}": torch.ones(1, columns),
    }


def _refused(model: StableDiffusion, name: str, told: str) -> None:
    before = states(model)
    with pytest.raises(FrameweaveError) as error, loras(model, [name]):
        pass
    assert re.search(told, str(error.value), re.DOTALL), str(error.value)
    assert same(states(model), before)


OTHERS: dict[str, tuple[Tensors, str]] = {
    "Flux, kohya": (_pair("lora_unet_double_blocks_0_img_attn_proj"), "made for Flux"),
    "Flux, diffusers": (_pair("transformer.single_transformer_blocks.0.attn.to_q"), "made for Flux"),
    "SD 3": (_pair("transformer.transformer_blocks.0.attn.add_k_proj"), "made for Stable Diffusion 3"),
    "SD 3, kohya": (_pair("lora_unet_joint_blocks_0_x_block_attn_qkv"), "made for Stable Diffusion 3"),
    "Wan": (_pair("diffusion_model.blocks.0.self_attn.q"), "made for Wan"),
    "LTX": (_pair("diffusion_model.transformer_blocks.0.attn1.to_q"), "made for a transformer"),
    "AnimateDiff": (_pair("down_blocks.0.motion_modules.0.temporal_transformer.proj_in"), "AnimateDiff"),
    "Cascade": (_pair("lora_prior_unet_down_blocks_0_0"), "Stable Cascade"),
    "checkpoint": ({"model.diffusion_model.out.2.weight": torch.ones(2)}, "whole checkpoint.*--model"),
    "embedding": ({"emb_params": torch.ones(2, 16)}, "textual inversion.*--embedding"),
    "diffusers' embedding": ({"<cat>": torch.ones(16)}, "textual inversion.*--embedding"),
    "SDXL's embedding": ({"clip_l": torch.ones(1, 2), "clip_g": torch.ones(1, 3)}, "textual inversion"),
    "ControlNet": ({"controlnet_mid_block.weight": torch.ones(2)}, "ControlNet.*--control"),
    "Control-LoRA": ({**_pair("down_blocks.0"), "lora_controlnet": torch.ones(1)}, "ControlNet"),
    "IP-Adapter": ({"image_proj.norm.weight": torch.ones(2)}, "IP-Adapter.*--image-adapter"),
    "UNet": ({"down_blocks.0.resnets.0.conv1.weight": torch.ones(2)}, "a whole UNet"),
    "VAE": ({"decoder.conv_in.weight": torch.ones(2)}, "a VAE.*--vae"),
    "text encoder": ({"text_model.final_layer_norm.weight": torch.ones(2)}, "text or vision tower"),
    "OFT": ({f"lora_unet_{QUERY}.oft_blocks": torch.ones(2)}, "OFT, which is not supported"),
    "biases": ({**_pair("unet.conv_in"), "unet.conv_in.lora_B.bias": torch.ones(2)}, "with biases"),
    "bundle": ({**_pair("lora_unet_conv_in"), "bundle_emb.cat.clip_l": torch.ones(2)}, "split it"),
    "anything": ({"a": torch.ones(2, 2, 2), "b": torch.ones(2)}, "a and 1 more in it is no tensor of a LoRA"),
    "SDXL by width": (_pair(f"lora_unet_{KEY}", 16, 2048), "LoRA for SDXL.*the model is one.*16 wide"),
    "SD 2 by width": (_pair(f"lora_unet_{KEY}", 16, 1024), "LoRA for Stable Diffusion 2.x"),
    "refiner by width": (_pair(f"lora_unet_{KEY}", 16, 1280), "LoRA for SDXL's refiner"),
    "SDXL by its text": (_pair("lora_te2_text_model_encoder_layers_0_mlp_fc1"), "second text encoder"),
    "no such layer": (_pair("lora_unet_down_blocks_7_resnets_0_conv1"), "no layer of the model.*similar"),
    "larger": (_pair(f"lora_unet_{QUERY}", 32, 16), "is 32 x 16, the model's is 16 x 16"),
    "half a pair": ({f"lora_unet_{QUERY}.lora_up.weight": torch.ones(16, 1)}, "has up only.*part of it is"),
    "only alpha": ({f"lora_unet_{QUERY}.alpha": torch.tensor(1.0)}, "has alpha only"),
    "other ranks": (
        {
            f"lora_unet_{QUERY}.lora_up.weight": torch.ones(16, 2),
            f"lora_unet_{QUERY}.lora_down.weight": torch.ones(3, 16),
        },
        r"up \(16, 2\) and down \(3, 16\) have other ranks",
    ),
    "one layer twice": (
        _pair(f"lora_unet_{QUERY}", 16, 16)
        | _pair("lora_unet_middle_block_1_transformer_blocks_0_attn2_to_q", 16, 16),
        "are the same layer",
    ),
    "NaN": ({f"lora_unet_{QUERY}.lora_up.weight": torch.tensor([[torch.nan]])}, "no numbers"),
    "infinity": ({f"lora_unet_{QUERY}.alpha": torch.tensor(torch.inf)}, "no numbers"),
    "no rank": ({f"lora_unet_{QUERY}.lora_up.weight": torch.ones(16, 0)}, "is empty"),
    "quantised": ({f"lora_unet_{QUERY}.lora_up.weight": torch.ones(2, 2, dtype=torch.int8)}, "quantised"),
    "two alphas": (
        _pair(f"lora_unet_{QUERY}", 16, 16) | {f"lora_unet_{QUERY}.alpha": torch.ones(2)},
        "expected one number",
    ),
    "whole without axes": ({f"lora_unet_{QUERY}.diff": torch.tensor(1.0)}, r"diff is \(\), expected a w"),
    "LoKr without axes": (
        {f"lora_unet_{QUERY}.lokr_w{half}": torch.ones([16] * half)[0] for half in (1, 2)},
        r"lokr_w1 is \(\), expected a weight",
    ),
    "several LoRAs": (
        {f"unet.conv_in.lora_{half}.{name}.weight": torch.ones(2, 2) for half in "AB" for name in ("a", "b")},
        "more than one down, as in a file of several LoRAs",
    ),
    "lengths of another": (
        _pair(f"lora_unet_{QUERY}", 16, 16) | {f"lora_unet_{QUERY}.dora_scale": torch.ones(5, 1)},
        "DoRA's lengths are",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", OTHERS)
def test_told(tiny: StableDiffusion, tmp_path: Path, kind: str) -> None:
    tensors, told = OTHERS[kind]
    _refused(tiny, saved(tensors, tmp_path / "a.safetensors"), told)


def test_a_lora_of_this_model_on_sdxl(
    tiny: StableDiffusion, tiny_xl: StableDiffusion, tmp_path: Path
) -> None:
    ours = saved(kohya(random_pairs(tiny.unet)), tmp_path / "a.safetensors")
    theirs = saved(kohya(random_pairs(tiny_xl.unet)), tmp_path / "b.safetensors")
    _refused(tiny_xl, ours, rf"texts 16 wide.*texts {XL_WIDTH} wide")
    _refused(tiny, theirs, rf"texts {XL_WIDTH} wide.*texts 16 wide")


def test_the_header_says_for_what_it_was_made(tiny: StableDiffusion, tmp_path: Path) -> None:
    tensors = _pair("lora_unet_down_blocks_7_resnets_0_conv1")
    name = saved(tensors, tmp_path / "a.safetensors", {"ss_base_model_version": "sdxl_base_v1-0"})
    _refused(tiny, name, r"made for sdxl_base_v1-0")


def test_our_own_adaptor(tiny: StableDiffusion, adaptor: Adaptor, tmp_path: Path) -> None:
    adaptor.save(tmp_path)
    _refused(tiny, str(tmp_path), "folder of an adaptor of Frameweave.*--adaptor")
    _refused(tiny, str(tmp_path / "adaptor.safetensors"), "an adaptor of Frameweave.*--adaptor")
    for file in ("kohya.safetensors", "pytorch_lora_weights.safetensors"):
        assert lora_file(str(tmp_path / file)).layers


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.safetensors", b"<!DOCTYPE html><html>", "a web page"),
        ("a.safetensors", b"<\0\0\0\0\0\0\0{", "damaged or cut off"),
        ("a.safetensors", b"GGUF\x03\0\0\0", "a GGUF file"),
        ("a.safetensors", b'{"error": "log in"}', "a web page or a text"),
        ("a.safetensors", b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        ("a.safetensors", b"PK\x03\x04 a zip of pickles", "pickle"),
        ("a.safetensors", b"\x80\x02}q\x00", "pickle"),
        ("a.safetensors", b"", "a.safetensors: empty"),
        ("a.safetensors", b"\xff\0\0\0\0\0\0\0{", "damaged or cut off"),
        ("a.pt", b"x", "pickle"),
        ("a.ckpt", b"x", "pickle"),
    ],
)
def test_what_is_no_such_file(
    tiny: StableDiffusion, tmp_path: Path, name: str, content: bytes, told: str
) -> None:
    (tmp_path / name).write_bytes(content)
    _refused(tiny, str(tmp_path / name), told)


def test_one_that_is_cut_off(tiny: StableDiffusion, tmp_path: Path) -> None:
    file = Path(saved(kohya(random_pairs(tiny.unet)), tmp_path / "a.safetensors"))
    file.write_bytes(file.read_bytes()[:-100])
    _refused(tiny, str(file), "damaged or cut off")


def test_settings_of_peft_that_are_none(tiny: StableDiffusion, tmp_path: Path) -> None:
    tensors = _pair("unet.mid_block.attentions.0.transformer_blocks.0.attn2.to_q", 16, 16, "lora_{}.weight")
    for table, told in (
        ("{", "is no table"),
        ('{"unet.r": 2, "unet.lora_alpha": NaN}', "settings: nan"),
        ('{"unet.r": 2, "unet.alpha_pattern": {"(": 1}}', "is no pattern"),
    ):
        header = {"lora_adapter_metadata": table}
        _refused(tiny, saved(tensors, tmp_path / "a.safetensors", header), told)


def test_folders(tiny: StableDiffusion, tmp_path: Path) -> None:
    _refused(tiny, str(tmp_path), "no .safetensors file in it")
    (tmp_path / "a.bin").write_bytes(b"x")
    _refused(tiny, str(tmp_path), "pickle")
    tensors = kohya(random_pairs(tiny.unet))
    saved(tensors, tmp_path / "a.safetensors")
    assert lora_file(str(tmp_path)).layers
    saved(tensors, tmp_path / "b.safetensors")
    _refused(tiny, str(tmp_path), r"2 files \(a.safetensors, b.safetensors\)")
    saved(tensors, tmp_path / "pytorch_lora_weights.safetensors")
    assert lora_file(str(tmp_path)).file.path.name == "pytorch_lora_weights.safetensors"


def test_names_that_are_not_there(
    tiny: StableDiffusion, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(hub, "reachable", lambda: False)
    _refused(tiny, "style.safetensors", "no such file")
    _refused(tiny, "loras/style.safetensors", "no such file")
    _refused(tiny, "owner/name/style.safetensors", "not on this machine")
    _refused(tiny, "owner/name@0.5", "not on this machine")
    _refused(tiny, "https://civitai.com/api/download/models/1", "download it first")
    _refused(tiny, f"{'a' * 5000}.safetensors", "no such file")
    _refused(tiny, "a\0b.safetensors", "no such file")


def test_strengths() -> None:
    with pytest.raises(InputError, match="strength 11, expected -10 to 10"):
        asked("a.safetensors@11")
    with pytest.raises(InputError, match="is no strength"):
        asked("a.safetensors@0,5")
    with pytest.raises(InputError, match="from 0.6 to 0.2 of the timesteps, expected shares from 0 to 1"):
        asked("a.safetensors@1:0.6-0.2")
    assert asked("a.safetensors@-2").strength == -2


def test_a_name_with_an_at_is_a_name_where_there_is_such_a_file(tmp_path: Path) -> None:
    (tmp_path / "v@2").mkdir()
    assert asked(str(tmp_path / "v@2")).name == str(tmp_path / "v@2")
    assert asked(str(tmp_path / "v@2@0.5")).strength == 0.5


def test_loading_tells_before_the_model_is_read(tiny_folder: Path, tmp_path: Path) -> None:
    tensor: Tensor = torch.ones(2, 16)
    shutil.copytree(tiny_folder / "scheduler", tmp_path / "scheduler")  # nothing else of a model
    lora = saved({"emb_params": tensor}, tmp_path / "a.safetensors")
    with pytest.raises(ModelFolderError, match="--embedding"):
        load(str(tmp_path), lora=(lora,))


def test_an_alpha_of_zero_is_none_at_all() -> None:
    """And no gap, which means 1."""
    assert PeftSettings({"r": 4, "lora_alpha": 0}).scale("unet.x", 4) == 0
    assert PeftSettings({"r": 4, "lora_alpha": 8, "alpha_pattern": {"x": 0}}).scale("x", 4) == 0
    assert PeftSettings({"r": 4}).scale("x", 4) == 1


def _of_peft(folder: Path, **settings: Any) -> Path:
    folder.mkdir()
    layer = "base_model.model.down_blocks.0.attentions.0.to_q"
    tensors = {f"{layer}.lora_A.weight": torch.ones(2, 3), f"{layer}.lora_B.weight": torch.ones(3, 2)}
    save_file(tensors, folder / "adapter_model.safetensors")
    (folder / "adapter_config.json").write_text(json.dumps({"r": 2, "lora_alpha": 4} | settings))
    return folder


def test_the_settings_of_peft_are_part_of_the_lora(tmp_path: Path) -> None:
    """Alpha stands in them: with another one it is another LoRA."""
    folder = _of_peft(tmp_path / "lo")
    choice = ModelChoice(lora=(str(folder),))
    before = lora_content(str(folder)), {name: one.digest for name, one in inputs_of(choice).items()}
    assert f"settings of lora {folder}" in before[1]
    (folder / "adapter_config.json").write_text(json.dumps({"r": 2, "lora_alpha": 400}))
    after = lora_content(str(folder)), {name: one.digest for name, one in inputs_of(choice).items()}
    assert before[0] != after[0] and before[1] != after[1]


@pytest.mark.parametrize("way", ["pissa", "pissa_niter_16", "olora", "loftq"])
def test_what_is_taken_out_of_the_models_weights_is_refused(way: str, tmp_path: Path) -> None:
    folder = _of_peft(tmp_path / "lo", init_lora_weights=way)
    with pytest.raises(ModelFolderError, match=f"init_lora_weights is '{way}'.*convert it to a plain LoRA"):
        lora_file(str(folder))


def test_patterns_of_peft_begin_behind_its_prefix() -> None:
    told = PeftSettings({"r": 2, "lora_alpha": 2, "alpha_pattern": {"^down_blocks.*to_q": 16}})
    assert told.scale("base_model.model.down_blocks.0.to_q", 2) == 8
    assert told.scale("base_model.model.up_blocks.0.to_q", 2) == 1


def test_settings_come_from_the_hub_with_the_lora(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, fetched = _of_peft(tmp_path / "lo"), list[str]()

    class Api:
        def list_repo_files(self, _: str) -> list[str]:
            return [file.name for file in folder.iterdir()]

    def fetch(_: str, name: str) -> str:
        fetched.append(name)
        return str(folder / name)

    monkeypatch.setattr(tensor_files, "reachable", lambda: True)
    monkeypatch.setattr(tensor_files, "HfApi", Api)
    monkeypatch.setattr(tensor_files, "hf_hub_download", fetch)
    lora_file("owner/lora@0.8")
    assert fetched == ["adapter_config.json", "adapter_model.safetensors"]
