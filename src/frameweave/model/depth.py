"""Depth maps for a clip, from a monocular depth estimator (DPT and relatives)."""

from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Float
from safetensors import SafetensorError
from torch import Tensor, nn
from transformers import AutoModelForDepthEstimation

from frameweave.errors import ModelFolderError
from frameweave.model.loading import MINIATURE, check_weights, miniature_folder, torch_device

_OWN = "depth_estimator"
_USUAL = "Intel/dpt-hybrid-midas"


@dataclass(frozen=True, eq=False)
class DepthEstimator:
    """Predicts relative inverse depth; made by `load`."""

    network: nn.Module
    pixels: int
    """Side of the square pictures that the network was trained on."""
    frames_at_once: int = 16

    def estimate(self, frames: Float[Tensor, "F 3 H W"]) -> Float[Tensor, "F 1 H W"]:
        """Inverse depth in [0, 1], near is 1, of frames in [0, 1].

        One scale and shift for the whole clip: a scale per frame would flicker.
        """
        return per_clip(self.raw(frames))

    @torch.no_grad()
    def raw(self, frames: Float[Tensor, "F 3 H W"]) -> Float[Tensor, "F 1 H W"]:
        """Inverse depth at the network's own scale, for clips that come in parts; see `per_clip`."""
        device = next(self.network.parameters()).device
        maps: list[Tensor] = []
        for batch in frames.split(self.frames_at_once):
            x = F.interpolate(
                batch, (self.pixels, self.pixels), mode="bicubic", antialias=True, align_corners=False
            )
            depth = self.network((x.clamp(0, 1) * 2 - 1).to(device)).predicted_depth[:, None].float().cpu()
            maps.append(F.interpolate(depth, frames.shape[2:], mode="bilinear", align_corners=False))
        return torch.cat(maps)


def per_clip(depth: Float[Tensor, "F 1 H W"]) -> Float[Tensor, "F 1 H W"]:
    """Scaled so that the clip's farthest point is 0 and its nearest is 1.

    >>> per_clip(torch.tensor([2.0, 4.0]).reshape(2, 1, 1, 1)).flatten().tolist()
    [0.0, 1.0]
    """
    low, high = depth.amin(), depth.amax()
    return (depth - low) / (high - low).clamp(min=1e-6)


def load(model: str, name: str | None = None, *, device: str = "auto") -> DepthEstimator | None:
    """The estimator of that name (folder or hub id); by default the model folder's own.

    None when the model folder has none and no name is given. For Stable Diffusion 1.5 name e.g.
    Intel/dpt-hybrid-midas. Raises `ModelFolderError` when it cannot be loaded.
    """
    folder = miniature_folder() if model == MINIATURE else Path(model)
    source = str(folder / _OWN) if name is None else name
    if name is None and not Path(source).is_dir():
        return None
    check_weights(Path(source))
    try:
        network = AutoModelForDepthEstimation.from_pretrained(source, use_safetensors=True)
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise ModelFolderError(
            f"{source}: not a depth estimator ({str(error).strip().splitlines()[0]})",
            hint=f"give a transformers depth model such as {_USUAL}",
        ) from error
    pixels = int(getattr(network.config, "image_size", None) or 384)
    return DepthEstimator(
        network.requires_grad_(False).eval().to(torch_device(device), torch.float32), pixels
    )
