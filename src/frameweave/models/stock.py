"""Calls into torch and diffusers whose own annotations are wrong, typed rightly in one place.

And what a VAE gives as frames.
"""

from typing import TypeVar

import torch
from diffusers import AutoencoderKL
from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution
from jaxtyping import Float
from torch import Tensor, nn

from frameweave.errors import NotFinite

M = TypeVar("M", bound=nn.Module)


def channels_last(network: M) -> M:
    """Store convolution weights channels-last, which CPUs and tensor cores prefer; changes in place."""
    nn.Module.to(network, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    return network


def posterior(vae: AutoencoderKL, x: Tensor) -> DiagonalGaussianDistribution:
    """The VAE's distribution over latents of pictures x in [-1, 1]."""
    return vae.encode(x, return_dict=False)[0]


def decoded(vae: AutoencoderKL, z: Tensor) -> Tensor:
    """Pictures around [-1, 1] of latents z."""
    return vae.decode(z, return_dict=False)[0]  # pyright: ignore[reportArgumentType]


def as_shown(pictures: Float[Tensor, "F 3 H W"], dtype: torch.dtype) -> Float[Tensor, "F 3 H W"]:
    """Pictures around [-1, 1] of networks of a type, as frames in [0, 1].

    Raises `NotFinite` for values that are no numbers.
    """
    if broken := int((~pictures.isfinite().flatten(1).all(1)).sum()):
        raise NotFinite(
            f"{broken} of {len(pictures)} decoded frames have values that are no numbers",
            hint="fp16 overflows in some models: give --dtype bf16 or fp32"
            if dtype == torch.float16
            else "give less --guidance, and look whether the files of the model and its LoRAs are whole",
        )
    return (pictures / 2 + 0.5).clamp(0, 1)
