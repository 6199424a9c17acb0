"""LoRA on a UNet: Eq. 1 by hand, exact counts, exact restoration, other adapters left alone."""

import warnings
from pathlib import Path

import pytest
import torch
from diffusers import StableDiffusionPipeline, UNet2DConditionModel
from peft import LoraConfig, inject_adapter_in_model
from torch import Tensor, nn

from frameweave.adaptor.lora import added_lora, pattern
from frameweave.errors import AdaptorMismatch, InputError
from frameweave.models.stable_diffusion import StableDiffusion
from style_loras import kohya, random_pairs, saved
from tiny import prediction

DOWN = pattern("down")


def out(model: StableDiffusion, t: int = 950) -> Tensor:
    rng = torch.Generator().manual_seed(3)
    x, text = torch.randn(2, 4, 16, 16, generator=rng), torch.randn(2, 5, 16, generator=rng)
    with torch.no_grad():
        return model.unet(x, t, text, return_dict=False)[0]


def test_equation_1_by_hand() -> None:
    net = nn.ModuleDict({"down_blocks": nn.ModuleDict({"attn1": nn.ModuleDict({"to_q": nn.Linear(5, 3)})})})
    layer = net["down_blocks"]["attn1"]["to_q"]
    W_0, bias = layer.weight.clone(), layer.bias.clone()
    A, B, x = torch.randn(2, 5), torch.randn(3, 2), torch.randn(4, 5)
    name = "down_blocks.attn1.to_q"
    weights = {f"{name}.lora_A.weight": A, f"{name}.lora_B.weight": B}
    with added_lora(net, rank=2, alpha=6, layers=DOWN, weights=weights) as lora:
        lora.scale(0.5)
        expected = x @ W_0.T + bias + 0.5 * (6 / 2) * x @ A.T @ B.T
        assert torch.allclose(net["down_blocks"]["attn1"]["to_q"](x), expected, atol=1e-5)
    assert net["down_blocks"]["attn1"]["to_q"] is layer


@pytest.mark.parametrize(("blocks", "tensors", "weights"), [("down", 96, 287_744), ("all", 256, 797_184)])
def test_stable_diffusion_gets_exactly_the_tensors_of_the_facts(
    blocks: str, tensors: int, weights: int
) -> None:
    with torch.device("meta"):
        unet = UNet2DConditionModel(cross_attention_dim=768)
        with added_lora(unet, rank=4, alpha=4, layers=pattern(blocks)) as lora:
            assert len(lora.weights()) == tensors
            assert sum(weight.numel() for weight in lora.weights().values()) == weights


def test_fresh_pairs_change_nothing_and_the_network_is_restored(tiny: StableDiffusion) -> None:
    before, modules = out(tiny), dict(tiny.unet.named_modules())
    with (
        pytest.raises(RuntimeError, match="stop"),
        added_lora(tiny.unet, rank=4, alpha=4, layers=DOWN) as lora,
    ):
        assert torch.equal(out(tiny), before)
        for name, weight in lora.weights().items():
            weight.data.normal_(generator=torch.Generator().manual_seed(len(name)))
        assert not torch.equal(out(tiny), before)
        lora.switch(on=False)
        assert torch.equal(out(tiny), before)
        raise RuntimeError("stop")
    after = dict(tiny.unet.named_modules())
    assert after.keys() == modules.keys()
    assert all(after[name] is modules[name] for name in modules)
    assert not hasattr(tiny.unet, "peft_config")
    assert torch.equal(out(tiny), before)


def test_somebody_elses_adapter_stays(tiny_folder: object) -> None:
    from frameweave.models.loading.load import load

    model = load(str(tiny_folder), device="cpu")
    inject_adapter_in_model(
        LoraConfig(r=2, target_modules=["to_q"], init_lora_weights=False), model.unet, "style"
    )
    before = out(model)
    with added_lora(model.unet, rank=4, alpha=4, layers=DOWN) as lora:
        assert torch.equal(out(model), before)
        for weight in lora.weights().values():
            weight.data.fill_(0.1)
        lora.switch(on=True)
        assert not torch.equal(out(model), before)
        lora.switch(on=False)
        assert torch.equal(out(model), before)
    assert torch.equal(out(model), before)
    assert list(model.unet.peft_config) == ["style"]


def test_an_empty_match_and_an_unknown_block_are_refused(tiny: StableDiffusion) -> None:
    with (
        pytest.raises(InputError, match="no linear layer matches"),
        added_lora(tiny.unet, rank=4, alpha=4, layers="nowhere"),
    ):
        pass
    with pytest.raises(InputError, match="unknown LoRA block 'dwon'.*did you mean down"):
        pattern("dwon")


@pytest.mark.parametrize("targets", [r"ff\.net\.\d", "proj_in|attn1", "norm1"])
def test_layers_that_are_not_linear_are_refused_by_name(tiny: StableDiffusion, targets: str) -> None:
    with (
        pytest.raises(InputError, match=r"lora_targets matches \S+, a \w+, expected linear layers"),
        added_lora(tiny.unet, rank=4, alpha=4, layers=pattern("all", targets)),
    ):
        pass


def test_weights_of_another_width_are_refused_and_named(tiny: StableDiffusion) -> None:
    with added_lora(tiny.unet, rank=4, alpha=4, layers=DOWN) as lora:
        weights = {name: weight.detach().clone() for name, weight in lora.weights().items()}
    first = next(iter(weights))
    weights[first] = torch.zeros(4, 99)
    with (
        pytest.raises(AdaptorMismatch, match=r"\(4, 99\), the model takes \(4, 8\)"),
        added_lora(tiny.unet, rank=4, alpha=4, layers=DOWN, weights=weights),
    ):
        pass
    assert not hasattr(tiny.unet, "peft_config")


def _style(model: StableDiffusion, file: Path) -> str:
    """A LoRA of another program for every layer of a UNet."""
    return saved(kohya(random_pairs(model.unet)), file)


@pytest.fixture
def pipeline(tiny_folder: Path) -> StableDiffusionPipeline:
    return StableDiffusionPipeline.from_pretrained(tiny_folder)


def test_one_that_is_loaded_meanwhile_leaves_with_the_block(
    pipeline: StableDiffusionPipeline, tiny: StableDiffusion, tmp_path: Path
) -> None:
    unet, style = pipeline.unet, _style(tiny, tmp_path / "style.safetensors")
    before, modules = prediction(unet, 950), dict(unet.named_modules())
    with added_lora(unet, rank=4, alpha=4, layers=DOWN), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # peft: there is another adapter
        pipeline.load_lora_weights(style, adapter_name="style")
        assert not torch.equal(prediction(unet, 950), before)
    assert dict(unet.named_modules()) == modules
    assert torch.equal(prediction(unet, 950), before)
    pipeline.load_lora_weights(style, adapter_name="style")  # as if nothing had been
    assert pipeline.get_active_adapters() == ["style"]


def test_one_that_is_changed_or_unloaded_meanwhile_is_as_before(
    pipeline: StableDiffusionPipeline, tiny: StableDiffusion, tmp_path: Path
) -> None:
    pipeline.load_lora_weights(_style(tiny, tmp_path / "style.safetensors"), adapter_name="style")
    pipeline.set_adapters(["style"], [0.5])
    unet = pipeline.unet
    before, modules = prediction(unet, 950), dict(unet.named_modules())
    with added_lora(unet, rank=4, alpha=4, layers=DOWN) as lora:
        lora.scale(0.25)
        assert torch.equal(prediction(unet, 950), before)  # fresh pairs add nothing
        pipeline.set_adapters(["style"], [0.1])
    assert torch.equal(prediction(unet, 950), before)
    with added_lora(unet, rank=4, alpha=4, layers=DOWN):
        pipeline.unload_lora_weights()
    assert dict(unet.named_modules()) == modules and [*unet.peft_config] == ["style"]
    assert torch.equal(prediction(unet, 950), before)
