"""Which features are collected, and that gradient checkpointing does not collect twice."""

import pytest
import torch
from diffusers import UNet2DConditionModel

from frameweave.errors import InputError
from frameweave.models.features import collected, decoder_layers
from frameweave.models.stable_diffusion import StableDiffusion


def test_on_stable_diffusion_the_eight_layers_of_the_published_program() -> None:
    with torch.device("meta"):
        unet = UNet2DConditionModel(cross_attention_dim=768)
    found = [name.replace(".transformer_blocks.0.attn1", "") for name in decoder_layers(unet)]
    expected = [(1, 1), (1, 2), (2, 0), (2, 1), (2, 2), (3, 0), (3, 1), (3, 2)]
    assert found == [f"up_blocks.{block}.attentions.{layer}" for block, layer in expected]


def test_a_pattern_chooses_and_nothing_is_told(tiny: StableDiffusion) -> None:
    assert all(name.startswith("down_blocks") for name in decoder_layers(tiny.unet, "^down"))
    with pytest.raises(InputError, match=r"no self-attention matches 'nowhere'; they are down_blocks"):
        decoder_layers(tiny.unet, "nowhere")


def test_outputs_come_in_order_and_hooks_go(tiny: StableDiffusion) -> None:
    names = decoder_layers(tiny.unet, "up")
    x, text = torch.randn(3, 4, 16, 16), torch.randn(3, 5, 16)
    seen: list[torch.Tensor] = []
    handles = [
        tiny.unet.get_submodule(name).register_forward_hook(lambda _m, _i, out: seen.append(out))
        for name in names
    ]
    with collected(tiny.unet, names) as features, torch.no_grad():
        tiny.unet(x, 950, text)
        taken = features.take()
    for handle in handles:
        handle.remove()
    assert len(taken) == len(names)
    assert all(torch.equal(a, b) for a, b in zip(taken, seen, strict=True))
    assert not any(tiny.unet.get_submodule(name)._forward_hooks for name in names)


def test_a_checkpointed_backward_pass_changes_nothing(tiny: StableDiffusion) -> None:
    names = decoder_layers(tiny.unet, "up")
    x, text = torch.randn(2, 4, 16, 16), torch.randn(2, 5, 16)
    gradients: list[torch.Tensor] = []
    for checkpointing in (False, True):
        if checkpointing:
            tiny.unet.enable_gradient_checkpointing()
        start = x.clone().requires_grad_()
        with collected(tiny.unet, names) as features:
            tiny.unet(start, 950, text)
            taken = features.take()
            torch.stack([(f**2).sum() for f in taken]).sum().backward()
            assert features._kept == {}
        assert start.grad is not None
        gradients.append(start.grad)
    tiny.unet.disable_gradient_checkpointing()
    assert torch.allclose(gradients[0], gradients[1], rtol=1e-4, atol=1e-6)
