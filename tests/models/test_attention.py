"""The attention seam: equal to diffusers' own attention, exact restore, the right tokens."""

import pytest
import torch

from frameweave.models.attention import Attend, Site, Tokens, overridden, own, self_attentions
from frameweave.models.stable_diffusion import StableDiffusion


def unet_output(tiny: StableDiffusion) -> torch.Tensor:
    x = torch.randn(3, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    return tiny.predict(x, 500, tiny.conditioning(["a red car", "a blue car"]))


def test_the_rule_that_changes_nothing_changes_nothing(tiny: StableDiffusion) -> None:
    before = unet_output(tiny)
    with overridden(tiny.unet, own):
        inside = unet_output(tiny)
    assert torch.allclose(inside, before, atol=1e-5)
    assert torch.equal(unet_output(tiny), before)


def test_restored_bit_for_bit_after_an_exception(tiny: StableDiffusion) -> None:
    before = unet_output(tiny)
    objects = dict(tiny.unet.attn_processors)
    with pytest.raises(RuntimeError, match="in the middle"), overridden(tiny.unet, own):
        raise RuntimeError("in the middle")
    assert all(tiny.unet.attn_processors[name] is processor for name, processor in objects.items())
    assert torch.equal(unet_output(tiny), before)


def test_blocks_nest(tiny: StableDiffusion) -> None:
    def silent(x: Tokens, attend: Attend, site: Site) -> Tokens:
        return torch.zeros_like(x)

    with overridden(tiny.unet, own):
        outer = unet_output(tiny)
        with overridden(tiny.unet, silent):
            assert not torch.allclose(unet_output(tiny), outer)
        assert torch.equal(unet_output(tiny), outer)


def test_only_self_attentions_in_network_order(tiny: StableDiffusion) -> None:
    seen: list[Site] = []

    def watch(x: Tokens, attend: Attend, site: Site) -> Tokens:
        seen.append(site)
        return attend(x, x, x)

    with overridden(tiny.unet, watch):
        unet_output(tiny)
    names = [site.name for site in seen]
    assert all(name.endswith("attn1") for name in names)
    assert list(dict.fromkeys(name.split("_")[0] for name in names)) == ["down", "mid", "up"]
    assert sorted(names) == sorted(self_attentions(tiny.unet)) and len(set(names)) == len(names)


@pytest.mark.parametrize("groups", [1, 2, 6])
def test_fewer_keys_than_queries_serve_runs_of_queries(tiny: StableDiffusion, groups: int) -> None:
    """attend(x, k, k) with G groups equals repeating each group for its run of queries."""
    checked: list[float] = []

    def compare(x: Tokens, attend: Attend, site: Site) -> Tokens:
        few = torch.randn(groups, 5, x.shape[2], generator=torch.Generator().manual_seed(len(checked)))
        many = few.repeat_interleave(len(x) // groups, dim=0)
        checked.append(float((attend(x, few, few) - attend(x, many, many)).abs().max()))
        return attend(x, x, x)

    with overridden(tiny.unet, compare):
        unet_output(tiny)
    assert checked and max(checked) < 1e-5


def test_what_comes_between_attention_and_projection(tiny: StableDiffusion) -> None:
    """Given queries, keys and their result; one that gives the result back changes nothing."""
    before, shapes = unet_output(tiny), set[tuple[int, ...]]()

    def same(q: torch.Tensor, k: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        shapes.add((len(q), len(k), len(y)))
        return y

    def between(x: Tokens, attend: Attend, site: Site) -> Tokens:
        return attend(x, x, x, same)

    def values_twice(x: Tokens, attend: Attend, site: Site) -> Tokens:
        n = len(x) // 2
        return torch.cat([x[:n], attend(x[:n], x[:n], x, same)[n:]])

    with overridden(tiny.unet, between):
        assert torch.allclose(unet_output(tiny), before, atol=1e-5)
    with overridden(tiny.unet, values_twice):
        unet_output(tiny)
    assert shapes == {(6, 6, 6)}
    with overridden(tiny.unet, lambda x, attend, _: attend(x, x, x, lambda q, k, y: torch.zeros_like(y))):
        assert not torch.allclose(unet_output(tiny), before, atol=1e-3)
