"""Gradient checkpointing: the same gradients, and switched off again."""

import pytest
import torch

from frameweave.models.checkpointing import checkpointed
from frameweave.models.stable_diffusion import StableDiffusion


def gradient(tiny: StableDiffusion) -> torch.Tensor:
    x = torch.randn(2, 4, 16, 16, generator=torch.Generator().manual_seed(0))
    conditioning = tiny.conditioning(["a red car"])
    states = conditioning.texts.requires_grad_()
    (found,) = torch.autograd.grad(
        tiny.predict(x, 500, conditioning.with_texts(states)).square().sum(), states
    )
    return found


def test_the_same_gradients_in_eval_mode_with_less_kept(tiny: StableDiffusion) -> None:
    kept: list[int] = []

    def measured(tensor: torch.Tensor) -> torch.Tensor:
        kept[-1] += tensor.numel()
        return tensor

    results: list[torch.Tensor] = []
    for checkpointing in (False, True):
        kept.append(0)
        with torch.autograd.graph.saved_tensors_hooks(measured, lambda tensor: tensor):
            if checkpointing:
                with checkpointed(tiny.unet):
                    results.append(gradient(tiny))
            else:
                results.append(gradient(tiny))
    assert torch.allclose(*results, rtol=1e-4, atol=1e-5)
    assert kept[1] < kept[0] / 2
    assert not tiny.unet.is_gradient_checkpointing


def test_switched_off_after_an_exception(tiny: StableDiffusion) -> None:
    with pytest.raises(RuntimeError, match="in the middle"), checkpointed(tiny.unet):
        assert tiny.unet.is_gradient_checkpointing
        raise RuntimeError("in the middle")
    assert not tiny.unet.is_gradient_checkpointing
