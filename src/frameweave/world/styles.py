"""The Miniature's picture styles: filters on finished frames that keep shapes and colours readable."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from frameweave.world.scene import WORDS

Frames = Float[Tensor, "N 3 H W"]
Alpha = Float[Tensor, "N 1 H W"]


def _luminance(frames: Frames) -> Alpha:
    return (frames * frames.new_tensor([0.299, 0.587, 0.114])[:, None, None]).sum(1, keepdim=True)


def _mosaic(x: Tensor, block: int) -> Tensor:
    return F.interpolate(F.avg_pool2d(x, block), scale_factor=block, mode="nearest")


def _dilated(alpha: Alpha, radius: int) -> Alpha:
    return F.max_pool2d(alpha, 2 * radius + 1, stride=1, padding=radius)


def plain(frames: Frames, _alpha: Alpha) -> Frames:
    """As rendered."""
    return frames


def pixel_art(frames: Frames, alpha: Alpha) -> Frames:
    """Blocks of 4 pixels behind, 2 in front, hard edges, eight levels per channel."""
    hard = (_mosaic(alpha, 2) > 0.5).float()
    blocks = hard * _mosaic(frames, 2) + (1 - hard) * _mosaic(frames, 4)
    return torch.round(blocks * 7) / 7


def cartoon(frames: Frames, alpha: Alpha) -> Frames:
    """A thick black outline, stronger colours, a paler background."""
    grey = _luminance(frames)
    vivid = grey + 1.25 * (frames - grey)
    pale = 0.55 * frames + 0.45
    outline = _dilated(alpha, 1) * (1 - alpha) + _dilated(alpha, 2) * (1 - _dilated(alpha, 1))
    return (alpha * vivid + (1 - alpha) * pale) * (1 - outline.clamp(0, 1)) + 0.03 * outline


def night(frames: Frames, alpha: Alpha) -> Frames:
    """Moonlight: darker and bluer; the object keeps more of its light than what is behind."""
    tint = frames.new_tensor([0.30, 0.34, 0.58])[:, None, None]
    front = frames.new_tensor([0.62, 0.62, 0.74])[:, None, None]
    return frames * (alpha * front + (1 - alpha) * tint) + frames.new_tensor([0.0, 0.01, 0.06])[:, None, None]


def pencil_sketch(frames: Frames, alpha: Alpha) -> Frames:
    """Coloured pencil on white paper: pale fill with diagonal strokes and a grey contour."""
    h, w = frames.shape[-2:]
    y = torch.arange(h, device=frames.device, dtype=frames.dtype)[:, None]
    x = torch.arange(w, device=frames.device, dtype=frames.dtype)[None, :]
    stroke = 0.5 + 0.5 * torch.cos(2 * torch.pi * (x + y) / 8)
    strength = (0.42 + 0.18 * stroke) * (alpha + (1 - alpha) * 0.7)
    paper = 1 - strength * (1 - frames)
    contour = (_dilated(alpha, 1) + F.max_pool2d(1 - alpha, 3, stride=1, padding=1) - 1).clamp(0, 1)
    return paper * (1 - 0.6 * contour) + 0.25 * 0.6 * contour


def sepia(frames: Frames, _alpha: Alpha) -> Frames:
    """An old photo: much of the colour is gone, brown light, dark corners."""
    grey = _luminance(frames)
    faded = grey + 0.6 * (frames - grey)
    tinted = 0.08 + 0.92 * faded * frames.new_tensor([1.0, 0.86, 0.66])[:, None, None]
    h, w = frames.shape[-2:]
    y, x = torch.meshgrid(torch.linspace(-1, 1, h), torch.linspace(-1, 1, w), indexing="ij")
    return tinted * (1 - 0.3 * (x.square() + y.square()) / 2).to(frames)


def hazy(frames: Frames, _alpha: Alpha) -> Frames:
    """A lens with mist on it: light spreads, contrast is low."""
    spread = F.avg_pool2d(F.pad(frames, (3, 3, 3, 3), mode="replicate"), 7, stride=1)
    return 0.3 + 0.62 * (0.4 * frames + 0.6 * spread)


def compressed(frames: Frames, _alpha: Alpha) -> Frames:
    """A file that is much too small: blocks of 8 that keep only their coarsest waves."""
    n, block = torch.arange(8.0, device=frames.device), 8
    waves = torch.cos(torch.pi * (2 * n + 1)[None] * n[:, None] / 16) / 2
    waves[0] /= 2**0.5
    h, w = frames.shape[-2:]
    tiles = frames.unflatten(2, (h // block, block)).unflatten(4, (w // block, block)).transpose(3, 4)
    coarse = 0.35 + 0.15 * (n[:, None] + n[None])
    kept = torch.round(waves @ tiles @ waves.T / coarse) * coarse
    return (waves.T @ kept @ waves).transpose(3, 4).flatten(4, 5).flatten(2, 3)


_FILTERS = {
    "plain": plain,
    "pixel art": pixel_art,
    "cartoon": cartoon,
    "night": night,
    "pencil sketch": pencil_sketch,
    "sepia": sepia,
    "hazy": hazy,
    "compressed": compressed,
}


def stylised(frames: Frames, alpha: Alpha, style: Tensor) -> Frames:
    """Each frame in its own style (an index into `WORDS`), in [0, 1]."""
    out = frames.clone()
    for index, name in enumerate(WORDS["style"]):
        chosen = style == index
        if chosen.any():
            out[chosen] = _FILTERS[name](frames[chosen], alpha[chosen])
    return out.clamp(0, 1)
