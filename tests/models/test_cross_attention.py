"""Borrowed text attention: against maps written out, LoRA, exact restore."""

import pytest
import torch
from diffusers.models.attention_processor import Attention

from frameweave.adaptor.adaptor import Adaptor
from frameweave.adaptor.strengths import StrengthSchedule
from frameweave.models.cross_attention import Borrowed, borrowing
from frameweave.models.stable_diffusion import StableDiffusion


def eps(tiny: StableDiffusion) -> torch.Tensor:
    x = torch.randn(3, 4, 16, 16, generator=torch.Generator().manual_seed(0))
    return tiny.predict(x, 500, tiny.conditioning(["", "a blue car", "a red car"]))


def layer_of(tiny: StableDiffusion) -> Attention:
    return next(m for m in tiny.unet.modules() if isinstance(m, Attention) and m.is_cross_attention)


@pytest.mark.parametrize("with_own", [True, False])
def test_it_is_the_map_exchanged(tiny: StableDiffusion, with_own: bool) -> None:
    layer, d = layer_of(tiny), layer_of(tiny).inner_dim // layer_of(tiny).heads
    x, text = torch.randn(5, 9, layer.query_dim), torch.randn(5, 7, layer.cross_attention_dim)
    taken, own = torch.rand(7, 7), torch.rand(7) if with_own else None
    with torch.no_grad(), borrowing(tiny.unet, lambda _: Borrowed(slice(1, 3), slice(3, 5), taken, own)):
        found = layer(x, encoder_hidden_states=text)
        q, k, v = (
            y.unflatten(2, (layer.heads, d)).transpose(1, 2)
            for y in (layer.to_q(x), layer.to_k(text), layer.to_v(text))
        )
        maps = (q @ k.transpose(2, 3) * d**-0.5).softmax(-1)
        mixed = maps[1:3] @ taken + (0 if own is None else maps[3:5] * own)
        maps = torch.cat([maps[:3], mixed])
        expected = layer.to_out[0]((maps @ v).transpose(1, 2).flatten(2))
    assert torch.allclose(found, expected, atol=1e-5)


def test_nothing_borrowed_is_plain_attention(tiny: StableDiffusion) -> None:
    before = eps(tiny)
    with borrowing(tiny.unet, lambda _: None):
        assert torch.allclose(eps(tiny), before, atol=1e-5)
    assert torch.equal(eps(tiny), before)


def test_the_lender_is_not_changed_the_borrower_is(tiny: StableDiffusion) -> None:
    before = eps(tiny)
    with borrowing(tiny.unet, lambda n: Borrowed(slice(3, 6), slice(6, 9), torch.eye(n))):
        after = eps(tiny)
    assert torch.allclose(after[:2], before[:2], atol=1e-5)
    assert not torch.allclose(after[2], before[2], atol=1e-4)


def test_lora_on_the_projections_acts(tiny: StableDiffusion, adaptor: Adaptor) -> None:
    def borrow(n: int) -> Borrowed:
        return Borrowed(slice(3, 6), slice(6, 9), torch.eye(n))

    with borrowing(tiny.unet, borrow):
        plain = eps(tiny)
    with (
        adaptor.in_unet(tiny.unet, adaptor.use(strength=StrengthSchedule.parse("0-1:0.5"))),
        borrowing(tiny.unet, borrow),
    ):
        assert not torch.allclose(eps(tiny), plain, atol=1e-3)


def test_restored_after_an_exception(tiny: StableDiffusion) -> None:
    before, objects = eps(tiny), dict(tiny.unet.attn_processors)
    with pytest.raises(RuntimeError, match="in the middle"), borrowing(tiny.unet, lambda _: None):
        raise RuntimeError("in the middle")
    assert all(tiny.unet.attn_processors[name] is processor for name, processor in objects.items())
    assert torch.equal(eps(tiny), before)
