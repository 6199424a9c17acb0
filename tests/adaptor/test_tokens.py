"""Prompt tokens against the shapes and numbers of Eqs. 4 to 8."""

import pytest
import torch

from frameweave.adaptor.tokens import PrefixTokens, concat_tokens, init_T_share, subsample


def tokens(n_shared: int = 3, width: int = 6, vision: int = 4, stride: int = 2) -> PrefixTokens:
    return PrefixTokens(n_shared, width, vision, stride=stride, rng=torch.Generator().manual_seed(0))


def test_shared_tokens_have_standard_deviation_0_02() -> None:
    drawn = init_T_share(500, 200, torch.Generator().manual_seed(0))
    assert float(drawn.std()) == pytest.approx(0.02, rel=0.01)
    assert float(drawn.mean()) == pytest.approx(0, abs=2e-4)
    read_as_variance = init_T_share(500, 200, torch.Generator().manual_seed(0), std=0.02**0.5)
    assert float(read_as_variance.var()) == pytest.approx(0.02, rel=0.02)


def test_subsampling_keeps_cls_and_every_second_patch() -> None:
    H = torch.arange(10.0).reshape(1, 10, 1)
    assert subsample(H, 2).flatten().tolist() == [0, 1, 3, 5, 7, 9]
    assert subsample(H, 1).flatten().tolist() == list(range(10))


def test_unshared_tokens_are_the_projection_of_each_frame() -> None:
    module = tokens()
    H = torch.randn(2, 5, 4)
    Z = module(H)
    assert Z.shape == (2, 3 + 3, 6)
    assert torch.equal(Z[0, :3], module.T_share)
    by_hand = H[1, 3] @ module.W_proj.weight.T + module.W_proj.bias  # patch 3 is the second kept one
    assert torch.allclose(Z[1, 5], by_hand, atol=1e-6)
    assert module(None).shape == (1, 3, 6)


def test_the_prefix_comes_before_the_text_of_every_branch() -> None:
    prefix, states = torch.randn(4, 2, 6), torch.randn(2, 1, 5, 6)
    Z = concat_tokens(prefix, states)
    assert Z.shape == (2, 4, 7, 6)
    for branch in range(2):
        for frame in range(4):
            assert torch.equal(Z[branch, frame], torch.cat([prefix[frame], states[branch, 0]]))


def test_shared_tokens_alone_stay_one_text_for_all_frames() -> None:
    assert concat_tokens(torch.randn(1, 2, 6), torch.randn(2, 1, 5, 6)).shape == (2, 1, 7, 6)


def test_without_tokens_the_negative_branch_is_filled_up_with_its_first_state() -> None:
    prefix, states = torch.randn(1, 2, 6), torch.randn(2, 1, 5, 6)
    for negative in (0, 1):
        Z = concat_tokens(prefix, states, bare=(negative,))
        assert torch.equal(Z[negative, 0, :2], states[negative, 0, :1].expand(2, -1))
        assert torch.equal(Z[1 - negative, 0, :2], prefix[0])


def test_the_literal_reading_is_one_sequence() -> None:
    prefix, states = torch.randn(1, 2, 6), torch.randn(2, 1, 5, 6)
    Z = concat_tokens(prefix, states, form="sequence")
    assert torch.equal(Z[0, 0], torch.cat([prefix[0], states[0, 0], states[1, 0]]))
