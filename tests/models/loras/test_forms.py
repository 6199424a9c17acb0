"""LoHa, LoKr, DoRA and whole changes: equal to the formula by hand in float64, and to PEFT."""

import copy
import json
from pathlib import Path

import pytest
import torch
from peft import LoHaConfig, LoKrConfig, LoraConfig, inject_adapter_in_model
from torch import Tensor, nn

from frameweave.errors import ModelFolderError
from frameweave.models.loras.fitted import lora_file
from frameweave.models.loras.merging import loras
from frameweave.models.stable_diffusion import StableDiffusion
from style_loras import Tensors, saved

MATRIX = "mid_block.attentions.0.transformer_blocks.0.attn2.to_k"
CONVOLUTION = "down_blocks.0.resnets.0.conv1"


def _weight(model: StableDiffusion, layer: str) -> Tensor:
    return model.unet.get_submodule(layer).get_parameter("weight")


def _draw(*shape: int, seed: int) -> Tensor:
    return 0.3 * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def _kohya(layer: str, parts: Tensors) -> Tensors:
    return {f"lora_unet_{layer.replace('.', '_')}.{part}": tensor for part, tensor in parts.items()}


def _changed(
    model: StableDiffusion, layer: str, tensors: Tensors, file: Path, strength: float = 0.5
) -> Tensor:
    """What a file adds to a layer's weight at a strength, in float64."""
    before = _weight(model, layer).clone()
    with loras(model, [f"{saved(tensors, file)}@{strength}"]):
        return _weight(model, layer).double() - before.double()


def _as_long(weight: Tensor, lengths: Tensor, axis: int) -> Tensor:
    """By hand: each row (axis 0) or each input (axis 1) of a weight scaled to a length."""
    out = torch.zeros_like(weight)
    for i, length in enumerate(lengths.flatten().double()):
        part = weight.select(axis, i)
        out.select(axis, i).copy_(part * length / part.norm())
    return out


def _core(t: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """By hand: sum over ranks i, j of core[i, j] a[i, out] b[j, in]."""
    made = torch.zeros(a.shape[1], b.shape[1], *t.shape[2:], dtype=torch.float64)
    for i in range(t.shape[0]):
        for j in range(t.shape[1]):
            made += a[i].double()[:, None, None, None] * b[j].double()[:, None, None] * t[i, j].double()
    return made


FORMS = ["LoHa", "LoHa core", "LoKr", "LoKr parts", "LoKr core", "LoKr both whole", "LoRA core", "whole"]


def _form(form: str, shape: torch.Size) -> tuple[Tensors, Tensor]:
    """The tensors of a layer and the change by hand; ranks are 2 and alpha is 3."""
    rows, columns, kernel = shape[0], shape[1], tuple(shape[2:])
    pixels, alpha = int(torch.Size(kernel).numel()), {"alpha": torch.tensor(3.0)}
    a1, a2 = _draw(rows, 2, seed=1), _draw(rows, 2, seed=2)
    b1, b2 = _draw(2, columns * pixels, seed=3), _draw(2, columns * pixels, seed=4)
    if form == "LoHa":
        parts = {"hada_w1_a": a1, "hada_w1_b": b1, "hada_w2_a": a2, "hada_w2_b": b2}
        return parts | alpha, 1.5 * ((a1.double() @ b1.double()) * (a2.double() @ b2.double())).view(shape)
    core, other = _draw(2, 2, *(kernel or (1, 1)), seed=5), _draw(2, 2, *(kernel or (1, 1)), seed=6)
    if form == "LoHa core":
        u1, u2, v1, v2 = a1.T, a2.T, _draw(2, columns, seed=7), _draw(2, columns, seed=8)
        parts = {"hada_w1_a": u1, "hada_w1_b": v1, "hada_w2_a": u2, "hada_w2_b": v2}
        made = 1.5 * (_core(core, u1, v1) * _core(other, u2, v2))
        return parts | {"hada_t1": core, "hada_t2": other} | alpha, made
    if form == "LoRA core":
        up, down = _draw(rows, 2, 1, 1, seed=9), _draw(2, columns, 1, 1, seed=10)
        made = 1.5 * _core(core, up.flatten(1).T, down.flatten(1))
        return {"lora_up.weight": up, "lora_down.weight": down, "lora_mid.weight": core} | alpha, made
    if form == "whole":
        diff, bias = _draw(*shape, seed=11), _draw(rows, seed=12)
        return {"diff": diff} | ({"diff_b": bias} if kernel else {}), diff.double()
    first = _draw(4, 2, seed=13)
    small_rows, small_columns = rows // 4, columns // 2
    if form == "LoKr core":
        w_a, w_b = _draw(2, small_rows, seed=14), _draw(2, small_columns, seed=15)
        parts, second = {"lokr_w2_a": w_a, "lokr_w2_b": w_b, "lokr_t2": core}, _core(core, w_a, w_b)
    elif form == "LoKr parts":
        w_a, w_b = _draw(small_rows, 2, seed=14), _draw(2, small_columns * pixels, seed=15)
        parts, second = {"lokr_w2_a": w_a, "lokr_w2_b": w_b}, w_a.double() @ w_b.double()
    else:
        whole = _draw(small_rows, small_columns, *kernel, seed=14)
        parts, second = {"lokr_w2": whole}, whole.double()
    second = second.reshape(small_rows, small_columns, *kernel)
    if form == "LoKr":  # the other half in parts
        x, y = _draw(4, 2, seed=16), _draw(2, 2, seed=17)
        parts, factor = parts | {"lokr_w1_a": x, "lokr_w1_b": y}, x.double() @ y.double()
    else:
        parts, factor = parts | {"lokr_w1": first}, first.double()
    scale = 1.0 if form == "LoKr both whole" else 1.5
    return parts | alpha, scale * torch.kron(factor.view(4, 2, *(1,) * len(kernel)), second)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("layer", [MATRIX, CONVOLUTION])
def test_a_form_by_hand(tiny: StableDiffusion, tmp_path: Path, form: str, layer: str) -> None:
    if "core" in form and layer == MATRIX:
        pytest.skip("only convolutions have a core")
    parts, expected = _form(form, _weight(tiny, layer).shape)
    found = _changed(tiny, layer, _kohya(layer, parts), tmp_path / "a.safetensors")
    assert torch.allclose(found, 0.5 * expected, atol=1e-6)


def test_a_bias_beside_a_change_of_low_rank_is_not_scaled(tiny: StableDiffusion, tmp_path: Path) -> None:
    """Extracted LoRAs have both; alpha / rank is for the weight alone."""
    rows, columns, *kernel = _weight(tiny, CONVOLUTION).shape
    parts = {
        "lora_up.weight": _draw(rows, 2, 1, 1, seed=1),
        "lora_down.weight": _draw(2, columns, *kernel, seed=2),
        "alpha": torch.tensor(3.0),
        "diff_b": _draw(rows, seed=3),
    }
    up, down = parts["lora_up.weight"].flatten(1), parts["lora_down.weight"]
    changes = {"weight": 1.5 * torch.einsum("or,rikl->oikl", up, down), "bias": parts["diff_b"]}
    before = {name: value.clone() for name, value in tiny.unet.state_dict().items()}
    with loras(tiny, [saved(_kohya(CONVOLUTION, parts), tmp_path / "a.safetensors")]):
        after = tiny.unet.state_dict()
        for name, change in changes.items():
            own = f"{CONVOLUTION}.{name}"
            assert torch.allclose(after[own], before[own] + change, atol=1e-6)


def test_a_whole_change_has_a_bias_too(tiny: StableDiffusion, tmp_path: Path) -> None:
    parts, _ = _form("whole", _weight(tiny, CONVOLUTION).shape)
    norm = {"w_norm": _draw(8, seed=20), "b_norm": _draw(8, seed=21)}
    tensors = _kohya(CONVOLUTION, parts) | _kohya("down_blocks.0.resnets.0.norm1", norm)
    before = {name: value.clone() for name, value in tiny.unet.state_dict().items()}
    with loras(tiny, [saved(tensors, tmp_path / "a.safetensors")]):
        after = tiny.unet.state_dict()
        for name, change in {
            f"{CONVOLUTION}.bias": parts["diff_b"],
            "down_blocks.0.resnets.0.norm1.weight": norm["w_norm"],
            "down_blocks.0.resnets.0.norm1.bias": norm["b_norm"],
        }.items():
            assert torch.allclose(after[name], before[name] + change)


@pytest.mark.parametrize("layer", [MATRIX, CONVOLUTION])
@pytest.mark.parametrize("of", ["outputs", "inputs"])
@pytest.mark.parametrize("form", ["LoHa", "LoKr parts"])
def test_dora_gives_each_output_or_input_its_length(
    tiny: StableDiffusion, tmp_path: Path, form: str, of: str, layer: str
) -> None:
    weight = _weight(tiny, layer).double()
    parts, change = _form(form, weight.shape)
    axis = 0 if of == "outputs" else 1
    shape = [-1 if index == axis else 1 for index in range(weight.dim())]
    lengths = 1 + _draw(weight.shape[axis], seed=30).abs()
    expected = _as_long(weight + change, lengths, axis) - weight
    parts["dora_scale"] = lengths.view(shape)
    found = _changed(tiny, layer, _kohya(layer, parts), tmp_path / "a.safetensors")
    assert torch.allclose(found, 0.5 * expected, atol=1e-6)


def _filled(network: nn.Module) -> None:
    rng = torch.Generator().manual_seed(0)
    for name, parameter in network.named_parameters():
        if any(part in name for part in ("lora_", "hada_", "lokr_")):
            parameter.data.copy_(0.2 * torch.randn(parameter.shape, generator=rng) + 0.1)


def _of_peft(network: nn.Module, prefix: str) -> Tensors:
    """The tensors of the adapter as PEFT's own files name them."""
    names = ("lora_", "hada_", "lokr_")
    return {
        prefix + name.replace(".default", ""): value
        for name, value in network.state_dict().items()
        if any(part in name for part in names)
    }


@pytest.mark.parametrize("kind", ["LoHa", "LoKr", "LoKr whole", "LoRA", "rsLoRA", "DoRA"])
def test_peft_gives_the_same(tiny: StableDiffusion, tmp_path: Path, kind: str) -> None:
    """Its folder of two files, in which alpha stands beside the tensors."""
    targets = ["to_k", "conv1"]
    config = {
        "LoHa": lambda: LoHaConfig(r=2, alpha=3, target_modules=targets, use_effective_conv2d=True),
        "LoKr": lambda: LoKrConfig(r=1, alpha=3, target_modules=targets, decompose_both=True),
        "LoKr whole": lambda: LoKrConfig(r=8, alpha=3, target_modules=targets),
        "LoRA": lambda: LoraConfig(r=2, lora_alpha=3, target_modules=targets, alpha_pattern={"conv1": 5}),
        "rsLoRA": lambda: LoraConfig(r=2, lora_alpha=3, target_modules=targets, use_rslora=True),
        "DoRA": lambda: LoraConfig(r=2, lora_alpha=3, target_modules=targets, use_dora=True),
    }[kind]()
    theirs = copy.deepcopy(tiny.unet)
    inject_adapter_in_model(config, theirs)
    _filled(theirs)
    folder = tmp_path / "adapter"
    folder.mkdir()
    saved(_of_peft(theirs, "base_model.model."), folder / "adapter_model.safetensors")
    config.save_pretrained(folder)
    for layer in theirs.modules():
        if hasattr(layer, "merge") and hasattr(layer, "base_layer"):
            layer.merge()
    with loras(tiny, [str(folder)]):
        for name in (MATRIX, CONVOLUTION):
            merged = theirs.get_submodule(name).base_layer.weight  # pyright: ignore
            assert torch.allclose(_weight(tiny, name), merged, atol=2e-6)
            assert not torch.equal(_weight(tiny, name), merged * 0)


def test_diffusers_header_says_alpha(tiny: StableDiffusion, tmp_path: Path) -> None:
    up, down = _draw(16, 2, seed=1), _draw(2, 16, seed=2)
    tensors = {f"unet.{MATRIX}.lora_A.weight": down, f"unet.{MATRIX}.lora_B.weight": up}
    before = _weight(tiny, MATRIX).clone()
    for table, scale in (
        ({"unet.r": 2, "unet.lora_alpha": 8}, 4),
        ({"unet.r": 2, "unet.lora_alpha": 8, "unet.alpha_pattern": {"attn2.to_k": 2}}, 1),
        ({"text_encoder.r": 2, "text_encoder.lora_alpha": 8}, 1),
    ):
        file = saved(tensors, tmp_path / "a.safetensors", {"lora_adapter_metadata": json.dumps(table)})
        with loras(tiny, [file]):
            assert torch.allclose(_weight(tiny, MATRIX), before + scale * up @ down, atol=1e-6)


def test_a_file_of_peft_without_its_settings_is_no_guess(tiny: StableDiffusion, tmp_path: Path) -> None:
    rows, columns = _weight(tiny, MATRIX).shape
    parts = {"lora_A.weight": _draw(2, columns, seed=1), "lora_B.weight": _draw(rows, 2, seed=2)}
    tensors = {f"base_model.model.{MATRIX}.{name}": tensor for name, tensor in parts.items()}
    file = saved(tensors, tmp_path / "adapter_model.safetensors")
    with pytest.raises(ModelFolderError, match="adapter_config.json is not beside it"):
        lora_file(file)
    assert lora_file(saved(tensors, tmp_path / "renamed.safetensors")).layers
