"""ComfyUI's batches of images (B H W C) as frames (F 3 H W), and back. Both are floats in [0, 1]."""

import torch
import torch.nn.functional as F
from torch import Tensor


def frames_of(images: Tensor) -> Tensor:
    """The frames of a batch, copied to the CPU; a fourth channel, transparency, is left out."""
    return images[..., :3].clone().permute(0, 3, 1, 2).float().cpu().contiguous()


def images_of(frames: Tensor) -> Tensor:
    """The batch of these frames."""
    return frames.clamp(0, 1).permute(0, 2, 3, 1).float().cpu().contiguous()


def resized(frames: Tensor, size: tuple[int, int]) -> Tensor:
    """Frames of that width and height; as they are where they have them."""
    if (frames.shape[3], frames.shape[2]) == size:
        return frames
    scaled = F.interpolate(frames, (size[1], size[0]), mode="bicubic", antialias=True, align_corners=False)
    return torch.clamp(scaled, 0, 1)
