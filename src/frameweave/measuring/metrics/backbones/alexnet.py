"""AlexNet (Krizhevsky 2014) with the linear heads of LPIPS v0.1 (Zhang et al. 2018)."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from frameweave.errors import InputError
from frameweave.measuring.metrics.backbones.weights import Published, filled
from frameweave.measuring.metrics.base import Frames

TRUNK = Published(
    what="AlexNet",
    patterns=("alexnet*.safetensors", "alexnet*.pth"),
    aside=(r"^classifier\.",),
    source="PyTorch's alexnet-owt-7be5be79.pth (torchvision, IMAGENET1K_V1)",
)
HEADS = Published(
    what="LPIPS' heads for AlexNet",
    patterns=("lpips*.safetensors", "alex.pth"),
    source="alex.pth of the package lpips (lpips/weights/v0.1)",
)
_SHIFT, _SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)  # of pixels in [-1, 1], by channel
_SMALLEST = 31  # pixels of the shorter side: below, its pools leave nothing
_BATCH = 32  # frames at once
_STAGES = (1, 4, 7, 9, 11)  # where the five activations stand
_WIDTHS = (64, 192, 384, 256, 256)  # their channels


class AlexNetFeatures(nn.Module):
    """The convolutional part, its layers numbered as in the published weights."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 64, 11, stride=4, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(3, 2),
            nn.Conv2d(64, 192, 5, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(3, 2),
            nn.Conv2d(192, 384, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(384, 256, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(256, 256, 3, padding=1),
            nn.ReLU(),
        )


def _heads() -> nn.Module:
    """A weight for each channel of each stage, named as in the published weights."""

    def head(width: int) -> nn.Module:
        return nn.ModuleDict({"model": nn.ModuleDict({"1": nn.Conv2d(width, 1, 1, bias=False)})})

    return nn.ModuleDict({f"lin{stage}": head(width) for stage, width in enumerate(_WIDTHS)})


@dataclass(frozen=True, eq=False)
class AlexNetTrunk:
    """The five stages of AlexNet, and how much each channel counts."""

    network: nn.Module
    heads: list[Float[Tensor, " _"]]
    id: str

    @property
    def weights(self) -> list[Float[Tensor, " _"]] | None:
        return self.heads

    @torch.no_grad()
    def stages(self, frames: Frames) -> list[Float[Tensor, "F _ _ _"]]:
        """Raises `InputError` for frames of fewer than 31 pixels."""
        height, width = frames.shape[2:]
        if min(height, width) < _SMALLEST:
            raise InputError(
                f"frames of {width} x {height} pixels, AlexNet takes {_SMALLEST} x {_SMALLEST} and more"
            )
        parts = [self._stages(part) for part in frames.split(_BATCH)]
        return [torch.cat(stage) for stage in zip(*parts, strict=True)]

    def _stages(self, frames: Frames) -> list[Float[Tensor, "F _ _ _"]]:
        shift, scale = (torch.tensor(row).view(1, 3, 1, 1).to(frames) for row in (_SHIFT, _SCALE))
        maps, found = (frames * 2 - 1 - shift) / scale, list[Tensor]()
        for number, layer in enumerate(self.network.features):  # pyright: ignore
            maps = layer(maps)
            if number in _STAGES:
                found.append(maps)
        return found


@cache
def alexnet_trunk(folder: Path) -> AlexNetTrunk:
    """From the weights in a folder. Raises `ModelFolderError` when they are missing or others."""
    tensors, digits = TRUNK.read(folder)
    heads, head_digits = HEADS.read(folder)
    rows = [weight.flatten() for weight in filled(_heads(), heads, HEADS).parameters()]
    return AlexNetTrunk(filled(AlexNetFeatures(), tensors, TRUNK), rows, f"alexnet-{digits}-{head_digits}")
