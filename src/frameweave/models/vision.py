"""A CLIP vision tower: frames to the hidden states of their patches (Eq. 5)."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import cast

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor
from transformers import CLIPVisionModel

_OWN = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
OPENAI = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
"""Means and standard deviations of the colours that CLIP's own pictures are normalised with."""
_OPENAI_PIXELS = 224  # towers for smaller pictures were not trained with OpenAI's statistics

NAME_A_TOWER = "name one with --vision, e.g. openai/clip-vit-base-patch32"
"""What to do where prompt tokens need a vision tower and there is none."""


@dataclass(frozen=True, eq=False)
class VisionTower:
    """Resizes, normalises, and runs the tower."""

    network: CLIPVisionModel

    @property
    def width(self) -> int:
        """D_vision."""
        return int(self.network.config.hidden_size)

    @property
    def pixels(self) -> int:
        """Side of the pictures that the tower takes."""
        return cast("int", self.network.config.image_size)

    @cached_property
    def digest(self) -> str:
        """What tells its weights from others', whether they are held in fp32, fp64 or bf16; empty in fp16.

        fp16 rounds otherwise.
        """
        total = hashlib.sha256()
        for name, weight in self.network.state_dict().items():
            if weight.dtype == torch.float16:
                return ""
            held = weight.detach().bfloat16() if weight.is_floating_point() else weight
            total.update(name.encode())
            total.update(held.cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
        return total.hexdigest()

    @torch.no_grad()
    def __call__(self, frames: Float[Tensor, "F 3 H W"]) -> Float[Tensor, "F N D_vision"]:
        """The last hidden states before the final norm, CLS first, of frames in [0, 1]."""
        side = self.pixels
        if frames.shape[2:] != (side, side):
            frames = F.interpolate(frames, (side, side), mode="bicubic", antialias=True, align_corners=False)
        weight = next(self.network.parameters())
        mean, std = (
            torch.tensor(values)[:, None, None] for values in (OPENAI if side >= _OPENAI_PIXELS else _OWN)
        )
        pixels = (frames.clamp(0, 1).cpu() - mean) / std
        return self.network(pixels.to(weight.device, weight.dtype)).last_hidden_state
