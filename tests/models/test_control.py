"""The ControlNet in two parts gives what the whole gives, and is left as it was."""

import pytest
import torch

from frameweave.models.control import embedded, residuals, scaled
from frameweave.models.stable_diffusion import StableDiffusion


@torch.no_grad()
def test_two_parts_are_the_stock_controlnet(tiny: StableDiffusion) -> None:
    control = tiny.controlnet
    assert control is not None
    rng = torch.Generator().manual_seed(0)
    side = 32 // tiny.vae_factor
    x_t = torch.randn(2, tiny.channels, side, side, generator=rng)
    depth = torch.rand(1, 1, 32, 32, generator=rng)
    text = tiny.condition(["a red duck"]).states[0].expand(2, -1, -1)

    down, mid = control(x_t, 500, text, controlnet_cond=depth.expand(2, 3, -1, -1), return_dict=False)
    features = embedded(control, depth).repeat(2, 1, 1, 1)
    found = residuals(control, x_t, 500, text, features)

    for a, b in zip(found["down_block_additional_residuals"], down, strict=True):  # pyright: ignore
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found["mid_block_additional_residual"], mid, rtol=1e-4, atol=1e-5)


def test_the_stem_is_back_after_an_error(tiny: StableDiffusion) -> None:
    control = tiny.controlnet
    assert control is not None
    with pytest.raises(RuntimeError):
        residuals(control, torch.zeros(1, 1, 1, 1), 0, torch.zeros(1, 1, 1), torch.zeros(1, 1, 1, 1))
    assert "forward" not in vars(control.controlnet_cond_embedding)


@torch.no_grad()
def test_what_it_adds_is_scaled_while_the_block_runs(tiny: StableDiffusion) -> None:
    rng = torch.Generator().manual_seed(0)
    x_t, depth = torch.randn(2, 4, 16, 16, generator=rng), torch.rand(2, 1, 32, 32, generator=rng)
    text = tiny.condition(["a red duck"]).states
    free, steered = tiny.eps(x_t, 500, text), tiny.eps(x_t, 500, text, depth)
    assert not torch.allclose(free, steered, atol=1e-3)
    with scaled(tiny.controlnet, 0.0):
        torch.testing.assert_close(tiny.eps(x_t, 500, text, depth), free)
    with pytest.raises(KeyError), scaled(tiny.controlnet, 0.5):
        half = tiny.eps(x_t, 500, text, depth)
        raise KeyError
    assert not torch.allclose(half, free, atol=1e-4) and not torch.allclose(half, steered, atol=1e-4)
    assert torch.equal(tiny.eps(x_t, 500, text, depth), steered)
