"""The Miniature's VAE: 64 x 64 x 3 pictures to 16 x 16 x 4 latents of mean 0 and deviation 1."""

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from jaxtyping import Float
from torch import Tensor, nn

from frameweave.models.stock import channels_last, decoded, posterior
from frameweave.world.render import render
from frameweave.world.scene import Split, sample_scenes

BATCH = 8  # pictures; each has 256 latents, so this is plenty, and steps are what counts
HELD_OUT = 128
_SEED, _DECODER_SEED = 0, 1
_KL_WEIGHT = 3e-5  # of the mean over latent elements: keeps latents smooth, costs no sharpness


_SAMPLED = 0.03  # noise on latents while the decoder is sharpened: sampled latents are not exact


def new_vae() -> AutoencoderKL:
    """Random weights; the posterior starts narrow, or early training drowns in its noise."""
    config: dict[str, Any] = dict(
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        block_out_channels=(16, 48, 128),
        layers_per_block=1,
        norm_num_groups=1,  # few channels per group act as instance norm: they erase flat colours
        latent_channels=4,
        sample_size=64,
        scaling_factor=1.0,
        mid_block_add_attention=False,
    )
    vae = AutoencoderKL(**config)
    assert vae.quant_conv is not None and vae.quant_conv.bias is not None
    vae.quant_conv.weight.data[4:] *= 0.1
    vae.quant_conv.bias.data[4:] = -5.0
    return vae


def world_frames(n: int, seed: tuple[int, ...], split: Split = "train") -> Float[Tensor, "N 3 H W"]:
    """Frames of random scenes at random times, values in [-1, 1] as the VAE takes them."""
    t = np.random.default_rng((*seed, 1)).uniform(0, 16, n).astype("float32")
    return render(sample_scenes(n, seed=seed, split=split), torch.from_numpy(t)).frames * 2 - 1


def _reconstruction(error: Tensor) -> dict[str, Tensor]:
    return {"squared": 2 * (error**2).mean(), "absolute": 0.25 * error.abs().mean()}


class VaePart:
    """Reconstruction + KL + a linear probe from latents to small RGB pictures.

    The probe keeps all four channels busy: without it two of them stay idle.
    """

    def __init__(self) -> None:
        torch.manual_seed(_SEED)
        self.vae = channels_last(new_vae())
        self.probe = nn.Conv2d(4, 3, 1)
        self.module = nn.ModuleDict({"vae": self.vae, "probe": self.probe})
        self.held_out = world_frames(HELD_OUT, (_SEED, 10**9), "held-out")

    def loss(self, step: int) -> dict[str, Tensor]:
        x = world_frames(BATCH, (_SEED, step)).contiguous(memory_format=torch.channels_last)
        noise = torch.randn(BATCH, 4, 16, 16, generator=torch.Generator().manual_seed(step))
        q = posterior(self.vae, x)
        z = q.mean + q.std * noise
        error = decoded(self.vae, z).float() - x
        small = F.avg_pool2d(x, 4)
        kl = 0.5 * (q.mean.float() ** 2 + q.var.float() - 1 - q.logvar.float())
        return _reconstruction(error) | {
            "kl": _KL_WEIGHT * kl.mean(),
            "probe": 0.05 * F.mse_loss(self.probe(z).float(), small),
        }

    def watch(self) -> dict[str, float]:
        return {"psnr": psnr(self.vae, self.held_out)}


def decoder_of(vae: AutoencoderKL) -> nn.ModuleDict:
    """What comes after the latents."""
    assert vae.post_quant_conv is not None
    return nn.ModuleDict({"decoder": vae.decoder, "post_quant_conv": vae.post_quant_conv})


class DecoderPart:
    """Sharpens the decoder of a finished VAE; the encoder is frozen, so latents keep their meaning."""

    def __init__(self, vae: AutoencoderKL) -> None:
        self.vae = channels_last(vae)
        self.vae.encoder.requires_grad_(False)
        self.module = decoder_of(vae)
        self.held_out = world_frames(HELD_OUT, (_DECODER_SEED, 10**9), "held-out")

    def loss(self, step: int) -> dict[str, Tensor]:
        x = world_frames(BATCH, (_DECODER_SEED, step)).contiguous(memory_format=torch.channels_last)
        with torch.no_grad():
            z = posterior(self.vae, x).mean
        noise = torch.randn(z.shape, generator=torch.Generator().manual_seed(step))
        return _reconstruction(decoded(self.vae, z + _SAMPLED * noise).float() - x)

    def watch(self) -> dict[str, float]:
        return {"psnr": psnr(self.vae, self.held_out)}


@torch.no_grad()
def psnr(vae: AutoencoderKL, frames: Float[Tensor, "N 3 H W"]) -> float:
    """Mean peak signal-to-noise ratio, in dB, of frames in [-1, 1] after encoding and decoding."""
    z = posterior(vae, frames).mean
    error = (decoded(vae, z).float() - frames) / 2
    return float(-10 * torch.log10((error**2).mean((1, 2, 3))).mean())


@torch.no_grad()
def standardised(vae: AutoencoderKL, frames: int = 2048) -> AutoencoderKL:
    """Fold the latents' mean and deviation into the 1x1 convolutions, so that scaling_factor is 1."""
    vae = vae.float().eval()
    z = torch.cat([posterior(vae, world_frames(frames // 8, (_SEED, 10**9 + k))).mean for k in range(8)])
    mean, std = z.mean((0, 2, 3)), z.std((0, 2, 3))
    into, out = vae.quant_conv, vae.post_quant_conv
    assert into is not None and out is not None and into.bias is not None and out.bias is not None
    out.bias += out.weight[:, :, 0, 0] @ mean
    out.weight *= std[None, :, None, None]
    into.weight[:4] /= std[:, None, None, None]
    into.bias[:4] = (into.bias[:4] - mean) / std
    into.bias[4:] -= 2 * std.log()
    return vae
