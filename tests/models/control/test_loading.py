"""ControlNets load from folders and single files of both layouts; what is none is told by name."""

import json
from pathlib import Path
from shutil import copytree

import pytest
import torch
from diffusers import ControlNetModel, ControlNetUnionModel, T2IAdapter, UNet2DConditionModel
from safetensors.torch import load_file, save_file

from frameweave.errors import InputError, ModelFolderError
from frameweave.models.loading.load import load
from frameweave.models.original import OriginalNames

BLOCKS = {  # of the tiny ControlNet: two levels with one layer each
    "down_blocks.0.resnets.0": "input_blocks.1.0",
    "down_blocks.0.attentions.0": "input_blocks.1.1",
    "down_blocks.0.downsamplers.0.conv": "input_blocks.2.0.op",
    "down_blocks.1.resnets.0": "input_blocks.3.0",
    "mid_block.resnets.0": "middle_block.0",
    "mid_block.attentions.0": "middle_block.1",
    "mid_block.resnets.1": "middle_block.2",
    "conv_in": "input_blocks.0.0",
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "controlnet_mid_block": "middle_block_out.0",
    "controlnet_cond_embedding.conv_in": "input_hint_block.0",
    "controlnet_cond_embedding.blocks.0": "input_hint_block.2",
    "controlnet_cond_embedding.blocks.1": "input_hint_block.4",
    "controlnet_cond_embedding.conv_out": "input_hint_block.14",
}
RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}


def original(name: str) -> str:
    """The name of a tensor in ControlNet's own layout."""
    if name.startswith("controlnet_down_blocks."):
        _, number, what = name.split(".")
        return f"zero_convs.{number}.0.{what}"
    ours = max((start for start in BLOCKS if name.startswith(f"{start}.")), key=len)
    rest = name.removeprefix(f"{ours}.")
    if "resnets" in ours:
        part, _, what = rest.rpartition(".")
        rest = f"{RESNET[part]}.{what}"
    return f"{BLOCKS[ours]}.{rest}"


@pytest.fixture
def tensors(tiny_folder: Path) -> dict[str, torch.Tensor]:
    return load_file(tiny_folder / "controlnet" / "diffusion_pytorch_model.safetensors")


@pytest.mark.parametrize("layout", ["diffusers", "original", "with a prefix", "inside a model"])
def test_a_single_file_is_the_folder(
    layout: str, tensors: dict[str, torch.Tensor], tiny_folder: Path, tmp_path: Path
) -> None:
    if layout != "diffusers":
        tensors = {original(name): tensor for name, tensor in tensors.items()}
    if layout in ("with a prefix", "inside a model"):
        tensors = {f"control_model.{name}": tensor for name, tensor in tensors.items()}
    if layout == "inside a model":
        tensors["model.diffusion_model.out.0.bias"] = torch.zeros(3)
    file = tmp_path / "canny.safetensors"
    save_file(tensors, file)
    found = load(str(tiny_folder), device="cpu", control=(f"canny={file}@0.5",)).controls
    expected = ControlNetModel.from_pretrained(tiny_folder / "controlnet").state_dict()
    assert [(one.kind, one.use.strength) for one in found] == [("canny", 0.5)]
    state = found[0].network.state_dict()
    assert state.keys() == expected.keys() and all(torch.equal(state[name], expected[name]) for name in state)
    assert len(load(str(tiny_folder), device="cpu", controlnet=str(file)).controls) == 1


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda t: t.pop("conv_in.bias"), "1 tensors missing .conv_in.bias"),
        (lambda t: t.update({"other.weight": torch.zeros(2)}), "1 tensors unknown .other.weight"),
        (lambda t: t.update({"conv_in.bias": torch.zeros(3)}), r"conv_in.bias \(3,\), expected \(8,\)"),
        (lambda t: t.pop("time_embedding.linear_1.weight"), "another kind of file, expected the weights"),
        (lambda t: (t.clear(), t.update({"lllite_unet_x": torch.zeros(1)})), "a ControlNet-LLLite file"),
        (lambda t: (t.clear(), t.update({"adapter.body.0.weight": torch.zeros(1)})), "a T2I-Adapter file"),
    ],
)
def test_a_file_of_another_kind_is_told(
    change: object, told: str, tensors: dict[str, torch.Tensor], tiny_folder: Path, tmp_path: Path
) -> None:
    change(tensors)  # pyright: ignore
    save_file(tensors, tmp_path / "x.safetensors")
    with pytest.raises(ModelFolderError, match=told):
        load(str(tiny_folder), device="cpu", control=(f"canny={tmp_path / 'x.safetensors'}",))


def test_pickles_and_damage_are_told(tiny_folder: Path, tmp_path: Path) -> None:
    for name, told in (("x.pth", "pickle"), ("x.safetensors", "damaged")):
        (tmp_path / name).write_bytes(b"x")
        with pytest.raises(ModelFolderError, match=told):
            load(str(tiny_folder), device="cpu", control=(f"canny={tmp_path / name}",))


def test_what_is_like_a_controlnet_is_refused_by_name(tiny_folder: Path, tmp_path: Path) -> None:
    for kind, told in ((ControlNetUnionModel, "a ControlNet-Union"), (T2IAdapter, "a T2I-Adapter")):
        folder = tmp_path / kind.__name__
        folder.mkdir()
        (folder / "config.json").write_text(json.dumps({"_class_name": kind.__name__}))
        with pytest.raises(ModelFolderError, match=told):
            load(str(tiny_folder), device="cpu", control=(f"canny={folder}",))
    with pytest.raises(ModelFolderError, match="a UNet2DConditionModel, expected a ControlNet"):
        load(str(tiny_folder), device="cpu", control=(f"canny={tiny_folder / 'unet'}",))
    with pytest.raises(ModelFolderError, match="no config.json"):
        load(str(tiny_folder), device="cpu", control=(f"canny={tmp_path}",))


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"cross_attention_dim": 2048}, r"2048 wide \(SDXL\), the model's are 16 wide"),
        ({"block_out_channels": [8, 32]}, r"blocks have \[8, 32\] channels, the UNet's have \[8, 16\]"),
        ({"layers_per_block": 2}, "blocks have 2 layers, the UNet's have 1"),
        ({"global_pool_conditions": True}, "shuffle"),
        ({"conditioning_channels": 4}, "pictures of 4 channels"),
        ({"controlnet_conditioning_channel_order": "bgr"}, "bgr"),
    ],
)
def test_a_controlnet_for_another_model_is_told(
    settings: dict[str, object], told: str, tiny_folder: Path, tmp_path: Path
) -> None:
    folder = copytree(tiny_folder / "controlnet", tmp_path / "control")
    file = folder / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | settings))
    with pytest.raises(ModelFolderError, match=told):
        load(str(tiny_folder), device="cpu", control=(f"canny={folder}",))


@pytest.mark.parametrize("text", ["canny", "canny=", "=x", "Canny=x", "canny=x@-1", "canny=x@1:0.5-0.1"])
def test_a_text_of_another_form_is_told(text: str, tiny_folder: Path) -> None:
    with pytest.raises(InputError):
        load(str(tiny_folder), device="cpu", control=(text,))


def test_with_others_the_folders_own_is_not_taken(tiny_folder: Path) -> None:
    own = str(tiny_folder / "controlnet")
    assert load(str(tiny_folder), device="cpu").control_kinds == ("depth",)
    assert load(str(tiny_folder), device="cpu", control=(f"canny={own}",)).control_kinds == ("canny",)
    both = load(str(tiny_folder), device="cpu", controlnet=own, control=(f"canny={own}",))
    assert both.control_kinds == ("depth", "canny")


def test_an_incomplete_file_of_the_original_layout_is_told(
    tensors: dict[str, torch.Tensor], tiny_folder: Path, tmp_path: Path
) -> None:
    tensors = {original(name): tensor for name, tensor in tensors.items() if name != "conv_in.bias"}
    save_file(tensors, tmp_path / "x.safetensors")
    with pytest.raises(ModelFolderError, match="1 tensors missing .conv_in.bias"):
        load(str(tiny_folder), device="cpu", control=(f"canny={tmp_path / 'x.safetensors'}",))


def test_the_original_layout_of_sdxl(tiny_xl_folder: Path, tmp_path: Path) -> None:
    """Which reads sizes and a vector for the whole prompt, too."""
    unet = UNet2DConditionModel.from_pretrained(tiny_xl_folder / "unet")
    made = ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=(4, 8, 12, 16))
    names = OriginalNames([len(block.resnets) for block in made.down_blocks], ())
    wanted, file = made.state_dict(), {}
    for name, tensor in wanted.items():
        if (start := name.partition(".")[0]) == "controlnet_cond_embedding":
            _, where, *end = name.split(".")
            number = (
                {"conv_in": 0, "conv_out": 14}.get(where) if where != "blocks" else 2 * int(end.pop(0)) + 2
            )
            file[f"input_hint_block.{number}.{end[0]}"] = tensor
        elif start in ("controlnet_down_blocks", "controlnet_mid_block"):
            file[original(name)] = tensor
        else:
            file[names.of(name)] = tensor
    assert "label_emb.0.0.weight" in file
    save_file({name: tensor.contiguous() for name, tensor in file.items()}, tmp_path / "x.safetensors")
    (found,) = load(
        str(tiny_xl_folder), device="cpu", control=(f"canny={tmp_path / 'x.safetensors'}",)
    ).controls
    state = found.network.state_dict()
    assert state.keys() == wanted.keys() and all(torch.equal(state[name], wanted[name]) for name in state)
