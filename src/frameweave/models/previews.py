"""What latents look like, without decoding them: colours by a linear map, one pixel for each latent.

The map of Stable Diffusion 1.x and 2.x is the one of https://discuss.huggingface.co/t/23204, that of SDXL the
one of https://huggingface.co/docs/diffusers/using-diffusers/callback. For any other VAE it is fitted to what
the VAE makes of a few pictures.
"""

from dataclasses import dataclass
from weakref import WeakKeyDictionary

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from frameweave.models.seam import Frames, Latents
from frameweave.models.stable_diffusion import StableDiffusion

_FULL_SIZE = [128, 256, 512, 512]  # channels of the VAEs whose latents are those of the published maps
_PATCHES, _SLOPES = (4, 8), (2, 3)  # random colours along a side of the pictures that a map is fitted to
_OF_EACH, _LARGEST = 3, 256


@dataclass(frozen=True, eq=False)
class LatentColours:
    """Colours in [0, 1] of scaled latents: latents @ matrix + bias."""

    matrix: Float[Tensor, "C 3"]
    bias: Float[Tensor, "3"]

    @classmethod
    def of(cls, model: StableDiffusion) -> "LatentColours":
        """The published map of the model's VAE, or one that is fitted once to it."""
        config = model.vae.config
        published = _PUBLISHED.get(config["scaling_factor"])
        if published is not None and list(config["block_out_channels"]) == _FULL_SIZE:
            return published
        if model.vae not in _FITTED:
            _FITTED[model.vae] = cls.fitted(model)
        return _FITTED[model.vae]

    @classmethod
    def fitted(cls, model: StableDiffusion) -> "LatentColours":
        """By least squares, to patches and slopes of random colours."""
        side = min(model.native, _LARGEST) // model.vae_factor * model.vae_factor
        pictures = _pictures(side)
        latents = model.encode(pictures).detach().cpu().double()
        seen = F.interpolate(pictures, latents.shape[2:], mode="area").double()
        rows = F.pad(latents.permute(0, 2, 3, 1).flatten(0, 2), (0, 1), value=1.0)
        map_ = torch.linalg.lstsq(rows, seen.permute(0, 2, 3, 1).flatten(0, 2)).solution.float()
        return cls(map_[:-1], map_[-1])

    def frames(self, x_0: Latents) -> Frames:
        """Small frames, a pixel for each latent."""
        colours = torch.einsum("fchw,cr->frhw", x_0.detach().float().cpu(), self.matrix)
        return (colours + self.bias[:, None, None]).clamp(0, 1)


def _pictures(side: int) -> Frames:
    rng, found = torch.Generator().manual_seed(0), list[Tensor]()
    for modes, counts in (("nearest", _PATCHES), ("bicubic", _SLOPES)):
        for count in counts:
            colours = torch.rand(_OF_EACH, 3, count, count, generator=rng)
            found.append(F.interpolate(colours, (side, side), mode=modes))
    return torch.cat(found).clamp(0, 1)


_PUBLISHED = {
    0.18215: LatentColours(
        0.5
        * torch.tensor(
            [[0.298, 0.207, 0.208], [0.187, 0.286, 0.173], [-0.158, 0.189, 0.264], [-0.184, -0.271, -0.473]]
        ),
        torch.full((3,), 0.5),
    ),
    0.13025: LatentColours(
        torch.tensor([[60.0, 60, 60], [-60, -5, 10], [25, 15, -5], [-70, -50, -35]]) / 255,
        torch.tensor([150.0, 140, 130]) / 255,
    ),
}
"""By the VAE's scaling factor: Stable Diffusion 1.x and 2.x, SDXL."""
_FITTED: WeakKeyDictionary[nn.Module, LatentColours] = WeakKeyDictionary()
