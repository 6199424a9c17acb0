"""Calls into torch and diffusers whose own annotations are wrong, typed rightly in one place."""

from typing import TypeVar

import torch
from diffusers import AutoencoderKL
from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution
from torch import Tensor, nn

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
