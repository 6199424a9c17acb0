"""Who looks at whom across frames, against attention computed frame by frame."""

import pytest
import torch
import torch.nn.functional as F

from frameweave.editors._parts.cross_frame import cross_frame, dense_layers, sparse_causal
from frameweave.models.attention import Site, overridden
from frameweave.models.stable_diffusion import StableDiffusion


def attend(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    folded = q.reshape(len(k), -1, q.shape[2])
    return F.scaled_dot_product_attention(folded, k, v).reshape(q.shape)


@pytest.mark.parametrize("frames", [1, 2, 3, 5])
@pytest.mark.parametrize("dense", [True, False])
def test_each_frame_looks_where_it_should(frames: int, dense: bool) -> None:
    x = torch.randn(2, frames, 6, 4)
    site = Site("layer")
    rule = cross_frame(frames, frozenset(["layer"] if dense else []), sparse_causal(frames))
    y = rule(x.flatten(0, 1), attend, site).unflatten(0, (2, frames))
    for branch in range(2):
        for frame in range(frames):
            seen = range(frames) if dense else (0, max(frame - 1, 0))
            keys = torch.cat([x[branch, other] for other in seen])[None]
            alone = F.scaled_dot_product_attention(x[branch, frame][None], keys, keys)[0]
            assert torch.allclose(y[branch, frame], alone, atol=1e-5)


def test_other_layers_follow_their_own_rule() -> None:
    rule = cross_frame(2, frozenset(["dense"]), lambda x, attend, site: x * 0)
    x = torch.randn(2, 6, 4)
    assert not rule(x, attend, Site("other")).any()
    assert rule(x, attend, Site("dense")).any()


def test_branches_do_not_see_each_other(tiny: StableDiffusion) -> None:
    x = torch.randn(2, 3, 4, 16, 16)
    states = tiny.conditioning(["a red car", "a blue car"])
    with overridden(tiny.unet, cross_frame(3, dense_layers(tiny.unet, 0), sparse_causal(3))):
        both = tiny.predict(x, 500, states)
        alone = tiny.predict(x[1], 500, states.branches(1))
    assert torch.allclose(both[1], alone[0], atol=1e-4)


def test_three_layers_of_the_usual_network_are_dense(golden: StableDiffusion) -> None:
    assert dense_layers(golden.unet, 0) == {
        "down_blocks.0.attentions.0.transformer_blocks.0.attn1",
        "up_blocks.1.attentions.0.transformer_blocks.0.attn1",
        "mid_block.attentions.0.transformer_blocks.0.attn1",
    }
    assert dense_layers(golden.unet, -1) == frozenset()


def test_on_another_network_the_nearest_are_dense(tiny: StableDiffusion, golden: StableDiffusion) -> None:
    assert {name.rsplit(".attentions")[0] for name in dense_layers(tiny.unet, 3)} == {
        "down_blocks.0",
        "up_blocks.1",
        "mid_block",
    }
    assert "down_blocks.2.attentions.0.transformer_blocks.0.attn1" in dense_layers(golden.unet, 3)
    assert dense_layers(golden.unet, 3, exact=True) == {"mid_block.attentions.0.transformer_blocks.0.attn1"}
