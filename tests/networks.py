"""That a model's networks are as they were."""

from typing import Any

import torch

from frameweave.models.stable_diffusion import StableDiffusion


def networks(model: StableDiffusion) -> dict[str, Any]:
    """All weights, the modules' names, and which processor objects sit in the UNet."""
    weights = {key: value.clone() for key, value in model.unet.state_dict().items()}
    assert model.controlnet is not None
    weights |= {f"control.{key}": value.clone() for key, value in model.controlnet.state_dict().items()}
    hooks = {name: len(module._forward_hooks) for name, module in model.unet.named_modules()}
    hidden = [name for name, module in model.unet.named_modules() if "forward" in module.__dict__]
    processors = {name: id(processor) for name, processor in model.unet.attn_processors.items()}
    return {"weights": weights, "hooks": hooks, "hidden": hidden, "processors": processors}


def assert_same(before: dict[str, Any], after: dict[str, Any]) -> None:
    weights, now = before.pop("weights"), after.pop("weights")
    assert weights.keys() == now.keys()
    assert all(torch.equal(weight, now[key]) for key, weight in weights.items())
    assert before == after
