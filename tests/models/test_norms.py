"""Group norms over frames: against the five-dimensional definition, exact restore."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from frameweave.models.norms import frame_norms, group_norm_over_frames, over_frames
from frameweave.models.stable_diffusion import StableDiffusion


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("frames", [1, 3])
def test_it_is_the_norm_of_the_five_dimensional_tensor(frames: int, layout: torch.memory_format) -> None:
    layer = nn.GroupNorm(4, 8, eps=1e-5)
    nn.init.normal_(layer.weight)
    nn.init.normal_(layer.bias)
    x = torch.randn(2 * frames, 8, 5, 6).contiguous(memory_format=layout)
    deep = x.unflatten(0, (2, frames)).transpose(1, 2)
    expected = F.group_norm(deep, 4, layer.weight, layer.bias, 1e-5).transpose(1, 2).flatten(0, 1)
    assert torch.allclose(group_norm_over_frames(x, frames, layer), expected, atol=1e-5)


def eps(tiny: StableDiffusion, x: torch.Tensor) -> torch.Tensor:
    return tiny.predict(x, 500, tiny.conditioning(["a red car", "a blue car"]))


def test_only_norms_outside_transformers(tiny: StableDiffusion) -> None:
    names = {module: name for name, module in tiny.unet.named_modules()}
    chosen = {names[layer] for layer in frame_norms(tiny.unet)}
    assert "conv_norm_out" in chosen and "mid_block.resnets.0.norm1" in chosen
    assert not any("attentions" in name for name in chosen)


def test_frames_see_each_other_and_one_frame_is_as_ever(tiny: StableDiffusion) -> None:
    x = torch.randn(3, 4, 16, 16)
    before = eps(tiny, x)
    with over_frames(tiny.unet, 3):
        assert not torch.allclose(eps(tiny, x), before, atol=1e-2)
        equal = x[:1].expand(3, -1, -1, -1)
        assert torch.allclose(eps(tiny, equal), before[:, :1].expand(-1, 3, -1, -1, -1), atol=1e-4)
    with over_frames(tiny.unet, 1):
        assert torch.allclose(eps(tiny, x), before, atol=1e-4)
    assert torch.equal(eps(tiny, x), before)


def test_branches_have_their_own_statistics(tiny: StableDiffusion) -> None:
    x = torch.randn(2, 3, 4, 16, 16)
    x[0] *= 10
    states = tiny.conditioning(["a red car", "a blue car"])
    with over_frames(tiny.unet, 3):
        both, alone = tiny.predict(x, 500, states), tiny.predict(x[1], 500, states.branches(1))
        assert torch.allclose(both[1], alone[0], atol=1e-4)


def test_restored_after_an_exception_and_when_nested(tiny: StableDiffusion) -> None:
    x = torch.randn(4, 4, 16, 16)
    before = eps(tiny, x)
    with over_frames(tiny.unet, 4):
        joint = eps(tiny, x)
        with pytest.raises(RuntimeError, match="in the middle"), over_frames(tiny.unet, 2):
            raise RuntimeError("in the middle")
        assert torch.equal(eps(tiny, x), joint)
    assert torch.equal(eps(tiny, x), before)
    assert not any("forward" in layer.__dict__ for layer in frame_norms(tiny.unet))
