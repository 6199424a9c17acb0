"""The ControlNet in two parts gives what the whole gives, and is left as it was."""

import pytest
import torch
from diffusers import ControlNetModel

from frameweave.models.control.controlnet import Seen, embedded, residuals
from frameweave.models.seam import Guides
from frameweave.models.stable_diffusion import StableDiffusion


def controlnet(model: StableDiffusion) -> ControlNetModel:
    return model.controls[0].network


@torch.no_grad()
def test_two_parts_are_the_stock_controlnet(tiny: StableDiffusion) -> None:
    control = controlnet(tiny)
    rng = torch.Generator().manual_seed(0)
    side = 32 // tiny.vae_factor
    x_t = torch.randn(2, tiny.channels, side, side, generator=rng)
    depth = torch.rand(1, 1, 32, 32, generator=rng)
    text = tiny.conditioning(["a red duck"]).texts[0].expand(2, -1, -1)

    down, mid = control(x_t, 500, text, controlnet_cond=depth.expand(2, 3, -1, -1), return_dict=False)
    features = embedded(control, depth).repeat(2, 1, 1, 1)
    found = residuals(control, Seen(x_t, 500, text), features)

    for a, b in zip(found, (*down, mid), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


def test_the_stem_is_back_after_an_error(tiny: StableDiffusion) -> None:
    control = controlnet(tiny)
    with pytest.raises(RuntimeError):
        residuals(control, Seen(torch.zeros(1, 1, 1, 1), 0, torch.zeros(1, 1, 1)), torch.zeros(1, 1, 1, 1))
    assert "forward" not in vars(control.controlnet_cond_embedding)


@torch.no_grad()
def test_what_it_adds_is_scaled(tiny: StableDiffusion) -> None:
    rng = torch.Generator().manual_seed(0)
    x_t, maps = torch.randn(2, 4, 16, 16, generator=rng), {"depth": torch.rand(2, 1, 32, 32, generator=rng)}

    def predicted(guides: Guides) -> torch.Tensor:
        return tiny.predict(x_t, 500, tiny.conditioning(["a red duck"], guides))

    free, steered = predicted(Guides()), predicted(Guides(maps=maps))
    assert not torch.allclose(free, steered, atol=1e-3)
    torch.testing.assert_close(predicted(Guides(maps=maps, controlnet_scale=0.0)), free)
    half = predicted(Guides(maps=maps, controlnet_scale=0.5))
    assert not torch.allclose(half, free, atol=1e-4) and not torch.allclose(half, steered, atol=1e-4)
    assert torch.equal(predicted(Guides(maps=maps)), steered)
