"""The paper's equations 2, 3 and 9 against numbers worked out by hand."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from frameweave.diffusion.losses import L_noise, L_temporal, min_snr_weight, noise_loss, sim
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
