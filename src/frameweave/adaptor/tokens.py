"""Prompt tokens (Eqs. 4 to 8): learned ones that all frames share, and ones projected from each frame."""

from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

INIT_STD = 0.02


def init_T_share(
    n_shared: int, width: int, rng: torch.Generator, *, std: float = INIT_STD
) -> Float[Tensor, "N D"]:
    """Eq. 4: normal with standard deviation 0.02."""
    return std * torch.randn(n_shared, width, generator=rng)


def subsample(H_vision: Float[Tensor, "F N D"], stride: int) -> Float[Tensor, "F M D"]:
    """Eq. 6: CLS and every stride-th patch, the first patch among them.

    >>> [subsample(torch.zeros(1, 50, 1), s).shape[1] for s in (1, 2, 3, 4, 7)]
    [50, 26, 18, 14, 8]
    """
    return torch.cat([H_vision[:, :1], H_vision[:, 1::stride]], dim=1)


def concat_tokens(
    prefix: Float[Tensor, "F P D"],
    states: Float[Tensor, "branches _ L D"],
    *,
    bare: Sequence[int] = (),
    form: Literal["branch", "sequence"] = "branch",
) -> Float[Tensor, "_ F PL D"]:
    """Eq. 8: Z_final, the prefix before the text on the token axis of every guidance branch.

    `states` have one text for all frames or one per frame. All branches must be equally long, so
    those that are left `bare` are filled up with their own first state. The
    literal `sequence` puts prefix and all branches into one long sequence: a single branch, which
    leaves nothing to guide by.
    """
    branches, frames = len(states), max(len(prefix), states.shape[1])
    text = states.expand(-1, frames, -1, -1)
    own = prefix.expand(frames, -1, -1)
    if form == "sequence":
        return torch.cat([own, *text], dim=1)[None]
    put = [text[k, :, :1].expand_as(own) if k in bare else own for k in range(branches)]
    return torch.cat([torch.stack(put), text], dim=2)


class PrefixTokens(nn.Module):
    """T_share (N_share D) and W_proj, a linear layer with bias from the vision tower's width to D (Eq. 7)."""

    def __init__(
        self,
        n_shared: int,
        width: int,
        vision_width: int,
        *,
        stride: int,
        rng: torch.Generator,
        std: float = INIT_STD,
    ) -> None:
        super().__init__()
        self.stride = stride
        self.T_share = nn.Parameter(init_T_share(n_shared, width, rng, std=std))
        self.W_proj = nn.Linear(vision_width, width)
        nn.init.xavier_uniform_(self.W_proj.weight, generator=rng)
        nn.init.zeros_(self.W_proj.bias)

    @property
    def vision_width(self) -> int:
        """D_vision of the tower that they were made for."""
        return self.W_proj.in_features

    def forward(self, H_vision: Float[Tensor, "F N D_vision"] | None) -> Float[Tensor, "_ P D"]:
        """Shared, then unshared tokens of each frame; one row of shared tokens without frames."""
        if H_vision is None:
            return self.T_share[None]
        Z_unshare = self.W_proj(subsample(H_vision, self.stride))
        return torch.cat([self.T_share.expand(len(H_vision), -1, -1), Z_unshare], dim=1)
