"""Moving pictures along a flow."""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor


def moved_back(
    after: Float[Tensor, "N C H W"], flow: Float[Tensor, "N 2 H W"]
) -> tuple[Float[Tensor, "N C H W"], Bool[Tensor, "N 1 H W"]]:
    """What other frames show where each pixel's content has gone, and where that lies inside of them."""
    height, width = flow.shape[2:]
    y, x = torch.meshgrid(
        torch.arange(height, device=flow.device), torch.arange(width, device=flow.device), indexing="ij"
    )
    target = torch.stack([x, y]).to(flow) + flow
    scale = torch.tensor([width, height]).to(flow)
    grid = (target.permute(0, 2, 3, 1) + 0.5) * 2 / scale - 1
    inside = (grid.abs() < 1).all(-1)[:, None]
    return F.grid_sample(after, grid.to(after), padding_mode="border", align_corners=False), inside
