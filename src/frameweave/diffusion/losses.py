"""The losses of the adaptor: Sim (Eq. 2), L_temporal (Eq. 3, both readings), the noise loss (Eq. 9)."""

from typing import Literal

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from frameweave.errors import InputError

Reduce = Literal["token", "map"]


def sim(
    F_a: Float[Tensor, "n N C"], F_b: Float[Tensor, "n N C"], *, reduce: Reduce = "token"
) -> Float[Tensor, " n"]:
    """Eq. 2: cosine similarity of n pairs of feature maps with N tokens of C channels.

    Per token over the channels and then averaged, or of each whole map as one vector.
    """
    return _cosines(F_a, F_b, reduce).mean(1)


def _cosines(
    F_a: Float[Tensor, "n N C"], F_b: Float[Tensor, "n N C"], reduce: Reduce
) -> Float[Tensor, "n _"]:
    """Of each token, or of the map as one."""
    a, b = F_a.float(), F_b.float()
    if reduce == "map":
        return F.cosine_similarity(a.flatten(1), b.flatten(1), dim=1)[:, None]
    return F.cosine_similarity(a, b, dim=2)


def _adjacent(F_g: Float[Tensor, "G T N C"], reduce: Reduce) -> Float[Tensor, "G T_minus_1"]:
    pairs = F_g[:, :-1].flatten(0, 1), F_g[:, 1:].flatten(0, 1)
    return sim(*pairs, reduce=reduce).unflatten(0, (len(F_g), -1))


def L_temporal(
    F_g: Float[Tensor, "G T N C"],
    *,
    reduce: Reduce = "token",
    norm: Literal["valid", "T"] = "valid",
    first_order_weight: float = 0.0,
) -> Float[Tensor, ""]:
    """Eq. 3 over T frames: how much the similarity of neighbours changes along the clip, mean over G clips.

    The sum runs over t = 2 .. T-1, where both neighbours exist; `norm` divides it by their number or
    by T. Constant similarity costs nothing, however low; `first_order_weight` adds the mean of
    1 - Sim. Raises `InputError` for fewer than three frames.
    """
    T = F_g.shape[1]
    if T < 3:
        raise InputError(
            f"{T} frames, Eq. 3 needs at least 3", hint="give longer groups, or pairs in noise mode"
        )
    s = _adjacent(F_g, reduce)
    change = (s.diff(dim=1) ** 2).sum(1) / (T - 2 if norm == "valid" else T)
    return change.mean() + first_order_weight * (1 - s).mean()


def L_noise(
    F_a: Float[Tensor, "G 2 N C"], F_b: Float[Tensor, "G 2 N C"], *, reduce: Reduce = "token"
) -> Float[Tensor, ""]:
    """The other reading of Eq. 3: a pair's similarity, by token, shall be equal at timesteps a and b."""
    s_a, s_b = (_cosines(pair[:, 0], pair[:, 1], reduce) for pair in (F_a, F_b))
    return ((s_a - s_b) ** 2).mean()


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
