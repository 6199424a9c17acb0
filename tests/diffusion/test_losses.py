"""The paper's equations 2, 3 and 9 against numbers worked out by hand."""

from itertools import pairwise
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from frameweave.diffusion.losses import Followed, L_noise, L_temporal, min_snr_weight, noise_loss, sim
from frameweave.errors import InputError


def turned(*degrees: float) -> Tensor:
    """One token of two channels per frame, at these angles: T 1 2."""
    angle = torch.deg2rad(torch.tensor(degrees))
    return torch.stack([angle.cos(), angle.sin()], dim=1)[:, None]


def test_sim_is_the_cosine_per_token_or_of_the_whole_map() -> None:
    a = torch.tensor([[[1.0, 0.0], [2.0, 0.0]]])
    b = torch.tensor([[[0.0, 1.0], [2.0, 0.0]]])
    assert sim(a, b).tolist() == pytest.approx([0.5])  # tokens: 0 and 1
    assert sim(a, b, reduce="map").tolist() == pytest.approx([4 / 5])  # 4 / (sqrt 5 * sqrt 5)


def test_the_temporal_loss_by_hand() -> None:
    F_g = turned(0, 60, 60, 150)[None]  # similarities 1/2, 1, 0
    changes = 0.5**2 + 1.0**2
    assert float(L_temporal(F_g)) == pytest.approx(changes / 2, abs=1e-6)
    assert float(L_temporal(F_g, norm="T")) == pytest.approx(changes / 4, abs=1e-6)
    first = (0.5 + 0 + 1) / 3
    assert float(L_temporal(F_g, first_order_weight=2.0)) == pytest.approx(changes / 2 + 2 * first, abs=1e-6)


def test_constant_similarity_costs_nothing_however_low() -> None:
    assert float(L_temporal(turned(0, 90, 180, 270)[None])) == pytest.approx(0, abs=1e-9)


def test_groups_are_averaged_and_never_mixed() -> None:
    one, two = turned(0, 60, 60), turned(0, 0, 90)
    mean = (float(L_temporal(one[None])) + float(L_temporal(two[None]))) / 2
    assert float(L_temporal(torch.stack([one, two]))) == pytest.approx(mean)


def test_two_frames_are_too_few() -> None:
    with pytest.raises(InputError, match="2 frames, Eq. 3 needs at least 3"):
        L_temporal(turned(0, 90)[None])


def test_the_noise_reading_compares_the_pair_at_two_levels() -> None:
    a, b = turned(0, 60)[None], turned(0, 90)[None]
    assert float(L_noise(a, b)) == pytest.approx(0.25, abs=1e-6)
    assert float(L_noise(a, a)) == 0


def test_the_noise_reading_compares_token_by_token() -> None:
    """One token turns by 60 degrees at a and 90 at b, the other the reverse: their mean does not change."""
    straight, turned_60, turned_90 = (turned(angle) for angle in (0, 60, 90))
    first = torch.cat([straight, straight], 1)
    a = torch.stack([first[0], torch.cat([turned_60, turned_90], 1)[0]])[None]
    b = torch.stack([first[0], torch.cat([turned_90, turned_60], 1)[0]])[None]
    assert float(L_noise(a, b)) == pytest.approx(0.25, abs=1e-6)
    assert float(((sim(a[0, :1], a[0, 1:]) - sim(b[0, :1], b[0, 1:])) ** 2).mean()) == pytest.approx(
        0, abs=1e-6
    )


def test_a_cosine_over_one_channel_has_no_gradient_and_ours_has() -> None:
    """Features reshaped to (tokens * channels, 1) give similarities of +-1, whatever they are."""
    x = torch.randn(1, 3, 5, 4, generator=torch.Generator().manual_seed(0), requires_grad=True)
    flat = x.reshape(3, 20, 1)
    s = F.cosine_similarity(flat[:-1], flat[1:], dim=2).mean(1)
    ((s[1] - s[0]) ** 2).backward()
    assert x.grad is not None
    assert float(x.grad.abs().max()) < 1e-7
    x.grad = None
    L_temporal(x).backward()
    assert float(x.grad.abs().max()) > 1e-4


def test_it_falls_when_minimised_alone() -> None:
    x = torch.randn(2, 4, 6, 8, generator=torch.Generator().manual_seed(1), requires_grad=True)
    optimiser = torch.optim.Adam([x], lr=0.01)
    losses: list[float] = []
    for _ in range(100):
        optimiser.zero_grad()
        loss = L_temporal(x)
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.05 * losses[0]


def test_noise_loss_and_min_snr_by_hand() -> None:
    eps_hat, eps = torch.tensor([1.0, 3.0]).reshape(2, 1, 1, 1), torch.zeros(2, 1, 1, 1)
    assert float(noise_loss(eps_hat, eps)) == 5
    assert float(noise_loss(eps_hat, eps, torch.tensor([1.0, 0.0]))) == 0.5
    weights = min_snr_weight(torch.tensor([0.5, 0.9]), gamma=3.0)  # SNR 1 and 9
    assert weights.tolist() == pytest.approx([1.0, 1 / 3])


def along(F_g: Tensor, seed: int = 3) -> Followed:
    """Made-up features of the next frames and weights, of which some are 0."""
    rng = torch.Generator().manual_seed(seed)
    clips, frames, tokens, width = F_g.shape
    weight = torch.rand(clips, frames - 1, tokens, generator=rng)
    weight[weight < 0.3] = 0
    return Followed(torch.randn(clips, frames - 1, tokens, width, generator=rng), weight)


def written_out(F_g: Tensor, along: Followed, reduce: str, norm: str, first_order: float) -> float:
    """The temporal loss along the motion, loop by loop in float64."""
    total, low, pairs = 0.0, 0.0, 0
    for g in range(len(F_g)):
        similarities: list[float | None] = []
        for t in range(F_g.shape[1] - 1):
            a, b, w = (x.double().numpy() for x in (F_g[g, t], along.F_next[g, t], along.weight[g, t]))
            if w.sum() == 0:
                similarities.append(None)
            elif reduce == "token":
                cosines = [x @ y / (x @ x) ** 0.5 / (y @ y) ** 0.5 for x, y in zip(a, b, strict=True)]
                similarities.append(sum(w * cosines) / w.sum())
            else:
                dot, aa, bb = ((w * (x * y).sum(1)).sum() for x, y in ((a, b), (a, a), (b, b)))
                similarities.append(dot / aa**0.5 / bb**0.5)
        terms = [
            (after - before) ** 2
            for before, after in pairwise(similarities)
            if before is not None and after is not None
        ]
        total += sum(terms) / (F_g.shape[1] if norm == "T" else max(1, len(terms)))
        low += sum(1 - s for s in similarities if s is not None)
        pairs += sum(s is not None for s in similarities)
    return total / len(F_g) + first_order * low / pairs


@pytest.mark.parametrize("reduce", ["token", "map"])
@pytest.mark.parametrize("norm", ["valid", "T"])
def test_the_temporal_loss_along_the_motion_is_what_a_loop_gives(reduce: Any, norm: Any) -> None:
    F_g = torch.randn(2, 5, 6, 4, generator=torch.Generator().manual_seed(0))
    seen = along(F_g)
    seen.weight[1, 2] = 0  # a cut: nothing of frame 2 is in frame 3
    found = L_temporal(F_g, reduce=reduce, norm=norm, first_order_weight=0.7, followed=seen)
    assert float(found) == pytest.approx(written_out(F_g, seen, reduce, norm, 0.7), rel=1e-5)
    assert float(found) != pytest.approx(float(L_temporal(F_g, reduce=reduce, norm=norm)), rel=0.1)


def test_at_the_same_place_and_wholly_seen_it_is_the_published_loss() -> None:
    F_g = torch.randn(2, 4, 6, 8, generator=torch.Generator().manual_seed(1))
    still = Followed(F_g[:, 1:], torch.ones(2, 3, 6))
    for reduce in ("token", "map"):
        published = float(L_temporal(F_g, reduce=reduce, first_order_weight=0.5))
        found = float(L_temporal(F_g, reduce=reduce, first_order_weight=0.5, followed=still))
        assert found == pytest.approx(published, rel=1e-5)


def test_what_is_occluded_has_no_say() -> None:
    F_g = torch.randn(1, 3, 6, 8, generator=torch.Generator().manual_seed(2))
    seen = along(F_g)
    other = Followed(torch.where(seen.weight[..., None] > 0, seen.F_next, 99.0), seen.weight)
    for one in (seen, other):
        one.F_next.requires_grad_()
    losses = [L_temporal(F_g, first_order_weight=1.0, followed=one) for one in (seen, other)]
    assert float(losses[0].detach()) == pytest.approx(float(losses[1].detach()), rel=1e-6)
    losses[0].backward()
    assert seen.F_next.grad is not None
    assert not seen.F_next.grad[seen.weight == 0].any() and seen.F_next.grad[seen.weight > 0].any()


def test_the_noise_reading_counts_tokens_by_their_weight() -> None:
    straight, turned_60, turned_90 = (turned(angle) for angle in (0, 60, 90))
    a = torch.stack([torch.cat([straight, straight], 1)[0], torch.cat([turned_60, straight], 1)[0]])[None]
    b = torch.stack([torch.cat([straight, straight], 1)[0], torch.cat([turned_90, turned_60], 1)[0]])[None]
    weights = torch.tensor([[1.0, 0.25]])  # changes of 1/2 and of 1/2
    assert float(L_noise(a, b, weight=weights)) == pytest.approx(0.25, abs=1e-6)
    assert float(L_noise(a, b, weight=torch.tensor([[0.0, 1.0]]))) == pytest.approx(0.25, abs=1e-6)
    b[0, 1, 1] = straight[0, 0]
    assert float(L_noise(a, b, weight=torch.tensor([[0.0, 1.0]]))) == pytest.approx(0, abs=1e-6)
