"""Renders the Miniature's world: frames with exact depth, object mask and optical flow.

Everything is drawn from `Scenes` by two calls of `grid_sample`, vectorised over frames.
"""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from PIL import Image
from torch import Tensor

from frameweave.world.scene import PIXELS, SIZE_RANGE, WORDS, Pose, Scenes, pose
from frameweave.world.styles import stylised
from frameweave.world.textures import TILE, tiles
from frameweave.world.words import COLOURS

_RGB = {
    "red": (0.88, 0.10, 0.12),
    "orange": (1.00, 0.52, 0.05),
    "yellow": (1.00, 0.88, 0.10),
    "green": (0.10, 0.62, 0.22),
    "blue": (0.12, 0.32, 0.92),
    "purple": (0.58, 0.17, 0.76),
}


@dataclass(frozen=True)
class Rendered:
    """N frames and what is known about them.

    `depth` is inverse depth in [0, 1], near is 1. `flow` gives for each pixel (x right, y down)
    how far its content moves until the next frame, in pixels; `mask` is the object's coverage.
    """

    frames: Float[Tensor, "N 3 H W"]
    depth: Float[Tensor, "N 1 H W"]
    mask: Float[Tensor, "N 1 H W"]
    flow: Float[Tensor, "N 2 H W"]


@cache
def sprites() -> Float[Tensor, "nouns 2 S S"]:
    """Shading and coverage of each noun, values in [0, 1], in the order of `WORDS`."""
    folder = files("frameweave.world") / "sprites"
    pictures: list[Tensor] = []
    for noun in WORDS["noun"]:
        with (folder / f"{noun}.png").open("rb") as file:
            pictures.append(torch.from_numpy(np.array(Image.open(file).convert("LA"))) / 255)
    return torch.stack(pictures).permute(0, 3, 1, 2).contiguous()


def _grid(pixels: int) -> Float[Tensor, "H W 2"]:
    """Pixel centres (x, y), in pixels of the 64 x 64 frame."""
    along = (torch.arange(pixels) + 0.5) * (PIXELS / pixels)
    y, x = torch.meshgrid(along, along, indexing="ij")
    return torch.stack([x, y], dim=-1)


def _rotation(angle: Float[Tensor, " N"]) -> Float[Tensor, "N 2 2"]:
    cos, sin = torch.cos(angle), torch.sin(angle)
    return torch.stack([torch.stack([cos, -sin], -1), torch.stack([sin, cos], -1)], -2)


def _object(scenes: Scenes, at: Pose) -> tuple[Float[Tensor, "N 1 H W"], Float[Tensor, "N 1 H W"]]:
    """Shading and coverage of the object, drawn at twice the size and averaged down."""
    away = _grid(2 * PIXELS) - at.centre[:, None, None]
    grid = torch.einsum("nij,nhwj->nhwi", _rotation(-at.angle), away) * (2 / at.size[:, None, None, None])
    picture = sprites()[scenes.noun]
    shade_alpha = torch.cat([picture[:, :1] * picture[:, 1:], picture[:, 1:]], dim=1)
    drawn = F.avg_pool2d(F.grid_sample(shade_alpha, grid, align_corners=False), 2)
    alpha = drawn[:, 1:]
    return drawn[:, :1] / alpha.clamp(min=1e-3), alpha


def _background(scenes: Scenes, at: Pose) -> Float[Tensor, "N 3 H W"]:
    """The periodic tile, shifted with sub-pixel accuracy."""
    padded = F.pad(tiles(), (0, PIXELS + 2, 0, PIXELS + 2), mode="circular")
    corner = torch.remainder(-at.texture, TILE)
    grid = (_grid(PIXELS) + 0.5 + corner[:, None, None]) * (2 / padded.shape[-1]) - 1
    picture = torch.empty(len(scenes), 3, PIXELS, PIXELS)
    for index in scenes.background.unique():  # one tile for many frames: no copy of tiles per frame
        chosen = scenes.background == index
        tile = padded[index].expand(int(chosen.sum()), -1, -1, -1)
        picture[chosen] = F.grid_sample(tile, grid[chosen], align_corners=False)
    return picture


def _tinted(shade: Tensor, colour: Tensor) -> Float[Tensor, "N 3 H W"]:
    """Shading 0.8 is the full colour; lighter goes to white, darker to black."""
    rgb = torch.tensor([_RGB[name] for name in COLOURS])[colour][:, :, None, None]
    light = ((shade - 0.8) / 0.2).clamp(0, 1) * 0.8
    return rgb * (shade / 0.8).clamp(max=1) * (1 - light) + light


def _flow(now: Pose, after: Pose, mask: Tensor) -> Float[Tensor, "N 2 H W"]:
    away = _grid(PIXELS) - now.centre[:, None, None]
    turn = _rotation(after.angle - now.angle) * (after.size / now.size)[:, None, None]
    target = torch.einsum("nij,nhwj->nhwi", turn, away) + after.centre[:, None, None]
    of_object = (target - _grid(PIXELS)).permute(0, 3, 1, 2)
    of_background = (after.texture - now.texture)[:, :, None, None]
    return torch.where(mask > 0.5, of_object, of_background)


def render(scenes: Scenes, t: Float[Tensor, " N"]) -> Rendered:
    """Draw each scene at its time t (in frames)."""
    now = pose(scenes, t)
    shade, alpha = _object(scenes, now)
    shadow = 0.4 * F.avg_pool2d(alpha, 5, stride=1, padding=2)
    background = _background(scenes, now) * (1 - shadow)
    picture = alpha * _tinted(shade, scenes.colour) + (1 - alpha) * background
    frames = stylised((picture * scenes.light[:, None, None, None]).clamp(0, 1), alpha, scenes.style)
    low, high = SIZE_RANGE
    near = 0.6 + 0.4 * (now.size - low) / (high - low)
    far = 0.1 + 0.25 * torch.linspace(0, 1, PIXELS)[:, None].expand(PIXELS, PIXELS)
    depth = torch.where(alpha > 0.5, near[:, None, None, None], far)
    return Rendered(frames, depth, alpha, _flow(now, pose(scenes, t + 1), alpha))


def render_clip(scenes: Scenes, frames: int) -> Rendered:
    """The clip of one scene, or of several one after the other: frame f is time f."""
    index = torch.arange(len(scenes)).repeat_interleave(frames)
    t = torch.arange(frames, dtype=torch.float32).repeat(len(scenes))
    return render(scenes[index], t)


def flow_between(
    scenes: Scenes, t: Float[Tensor, " N"], after: Float[Tensor, " N"], mask: Float[Tensor, "N 1 H W"]
) -> Float[Tensor, "N 2 H W"]:
    """How far each pixel's content moves from each scene's time t to another time, given its mask at t."""
    return _flow(pose(scenes, t), pose(scenes, after), mask)


def flow_back(scene: Scenes, clip: Rendered) -> Float[Tensor, "N 2 H W"]:
    """How far each pixel's content moves towards the frame before, of the clip of one scene."""
    frames = len(clip.frames)
    scenes, t = scene[torch.zeros(frames, dtype=torch.long)], torch.arange(frames, dtype=torch.float32)
    return flow_between(scenes, t, t - 1, clip.mask)


def still_visible(
    flow: Float[Tensor, "N 2 H W"], mask: Float[Tensor, "N 1 H W"], after: Float[Tensor, "N 1 H W"]
) -> Bool[Tensor, "N 1 H W"]:
    """Where content is seen in a later frame, too: inside of it, object on object, background on background.

    `flow` leads there; `mask` and `after` say what the object covers in both.
    """
    target = _grid(PIXELS) - 0.5 + flow.permute(0, 2, 3, 1)
    grid = (target + 0.5) * 2 / PIXELS - 1
    there = F.grid_sample(after, grid, align_corners=False)
    inside = (grid.abs() < 1).all(-1)[:, None]
    return inside & ((there > 0.5) == (mask > 0.5))
