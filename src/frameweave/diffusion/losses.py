"""The losses of the adaptor: Sim (Eq. 2), L_temporal (Eq. 3, both readings), the noise loss (Eq. 9)."""

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from frameweave.errors import InputError

Reduce = Literal["token", "map"]
_TINY = 1e-8


@dataclass(frozen=True, eq=False)
class Followed:
    """For each frame but the last: where the content of its tokens is in the next frame."""

    F_next: Float[Tensor, "G T_minus_1 N C"]
    """What the next frame's features are there."""
    weight: Float[Tensor, "G T_minus_1 N"]
    """How surely the content is seen there, in [0, 1]; 0 where it is occluded."""


def sim(
    F_a: Float[Tensor, "n N C"],
    F_b: Float[Tensor, "n N C"],
    *,
    reduce: Reduce = "token",
    weight: Float[Tensor, "n N"] | None = None,
) -> Float[Tensor, " n"]:
    """Eq. 2: cosine similarity of n pairs of feature maps with N tokens of C channels.

    Per token over the channels and then averaged, or of each whole map as one vector. With weights in [0, 1]
    tokens count so much; the similarity of a pair in which none counts is 0.
    """
    if weight is None:
        return _cosines(F_a, F_b, reduce).mean(1)
    if reduce == "map":
        share = weight.float().sqrt()[:, :, None]
        return _cosines(share * F_a.float(), share * F_b.float(), reduce)[:, 0]
    return (weight * _cosines(F_a, F_b, reduce)).sum(1) / weight.sum(1).clamp(min=_TINY)


def _cosines(
    F_a: Float[Tensor, "n N C"], F_b: Float[Tensor, "n N C"], reduce: Reduce
) -> Float[Tensor, "n _"]:
    """Of each token, or of the map as one."""
    a, b = F_a.float(), F_b.float()
    if reduce == "map":
        return F.cosine_similarity(a.flatten(1), b.flatten(1), dim=1)[:, None]
    return F.cosine_similarity(a, b, dim=2)


def adjacent(
    F_g: Float[Tensor, "G T N C"], *, reduce: Reduce = "token", followed: Followed | None = None
) -> tuple[Float[Tensor, "G T_minus_1"], Float[Tensor, "G T_minus_1"]]:
    """Sim of each two neighbouring frames, at the same place or along the motion.

    The second is 1 for pairs that can be compared, and 0 where nothing of a frame is seen in the next.
    """
    after = F_g[:, 1:] if followed is None else followed.F_next
    weight = None if followed is None else followed.weight.flatten(0, 1)
    s = sim(F_g[:, :-1].flatten(0, 1), after.flatten(0, 1), reduce=reduce, weight=weight)
    seen = torch.ones_like(s) if weight is None else (weight.sum(1) > _TINY).to(s)
    return s.unflatten(0, (len(F_g), -1)), seen.unflatten(0, (len(F_g), -1))


def L_temporal(
    F_g: Float[Tensor, "G T N C"],
    *,
    reduce: Reduce = "token",
    norm: Literal["valid", "T"] = "valid",
    first_order_weight: float = 0.0,
    followed: Followed | None = None,
) -> Float[Tensor, ""]:
    """Eq. 3 over T frames: how much the similarity of neighbours changes along the clip, mean over G clips.

    The sum runs over t = 2 .. T-1, where both neighbours exist; `norm` divides it by their number or
    by T. Constant similarity costs nothing, however low; `first_order_weight` adds the mean of
    1 - Sim. With `followed` neighbours are compared along the motion: what moves as it should costs nothing.
    Raises `InputError` for fewer than three frames.
    """
    T = F_g.shape[1]
    if T < 3:
        raise InputError(
            f"{T} frames, Eq. 3 needs at least 3", hint="give longer groups, or pairs in noise mode"
        )
    s, seen = adjacent(F_g, reduce=reduce, followed=followed)
    both = seen[:, 1:] * seen[:, :-1]
    terms = both.sum(1).clamp(min=1) if norm == "valid" else T
    change = (both * s.diff(dim=1) ** 2).sum(1) / terms
    low = (seen * (1 - s)).sum() / seen.sum().clamp(min=1)
    return change.mean() + first_order_weight * low


def L_noise(
    F_a: Float[Tensor, "G 2 N C"],
    F_b: Float[Tensor, "G 2 N C"],
    *,
    reduce: Reduce = "token",
    weight: Float[Tensor, "G N"] | None = None,
) -> Float[Tensor, ""]:
    """The other reading of Eq. 3: a pair's similarity, by token, shall be equal at timesteps a and b.

    With weights in [0, 1] tokens count so much; of whole maps all count alike.
    """
    s_a, s_b = (_cosines(pair[:, 0], pair[:, 1], reduce) for pair in (F_a, F_b))
    if weight is None or reduce == "map":
        return ((s_a - s_b) ** 2).mean()
    return (weight * (s_a - s_b) ** 2).sum() / weight.sum().clamp(min=_TINY)


def min_snr_weight(alpha_bar: Float[Tensor, " S"], gamma: float = 5.0) -> Float[Tensor, " S"]:
    """Min-SNR weight for epsilon prediction (Hang et al., 2023): min(SNR, gamma) / SNR."""
    snr = alpha_bar / (1 - alpha_bar)
    return snr.clamp(max=gamma) / snr


def noise_loss(
    eps_hat: Float[Tensor, "S C h w"],
    eps: Float[Tensor, "S C h w"],
    weight: Float[Tensor, " S"] | None = None,
) -> Float[Tensor, ""]:
    """The first part of Eq. 9: mean squared error of the predicted noise, optionally weighted by sample."""
    each = ((eps_hat.float() - eps) ** 2).mean((1, 2, 3))
    return (each if weight is None else weight * each).mean()
