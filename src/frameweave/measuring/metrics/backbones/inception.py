"""Inception v3 as FID uses it: the network of 2015 whose weights were ported from TensorFlow.

It differs from the better-known one: average pools don't count the padding, and the last block pools by
the maximum. Sizes are resized as in pytorch-fid, which the published tables use.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from frameweave.measuring.metrics.backbones.weights import Published, filled
from frameweave.measuring.metrics.base import Frames

WEIGHTS = Published(
    what="Inception (2015, for FID)",
    patterns=("inception*.safetensors", "pt_inception-2015-12-05*.pth", "weights-inception-2015-12-05*.pth"),
    aside=(r"^fc\.", r"^AuxLogits\."),
    source="pt_inception-2015-12-05-6726825d.pth of pytorch-fid's releases",
)
_SIDE, _BATCH = 299, 16
Kernel = int | tuple[int, int]
Step = tuple[str, int, Kernel]
"""A convolution: its name, how many channels it gives, and its kernel."""


class Conv(nn.Module):
    """Convolution, batch norm, ReLU; padded to keep the size unless it strides."""

    def __init__(self, channels: int, out: int, kernel: Kernel, stride: int = 1, *, pad: bool = True) -> None:
        super().__init__()
        height, width = (kernel, kernel) if isinstance(kernel, int) else kernel
        padding = (height // 2, width // 2) if pad and stride == 1 else 0
        self.conv = nn.Conv2d(channels, out, (height, width), stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(out, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv(x)))


class Mixed(nn.Module):
    """Branches of convolutions side by side, and one that pools."""

    def __init__(
        self,
        channels: int,
        *branches: tuple[Step | tuple[Step, Step], ...],
        pool: int | None,
        pool_by: Literal["mean", "max"] = "mean",
        halve: bool = False,
    ) -> None:
        """`pool` is how many channels the pooling branch gives, None for all. Two steps that stand together
        part the branch in two. With `halve`, the last step of each branch strides."""
        super().__init__()
        self.pool_by, self.halve = pool_by, halve
        self.order: list[list[tuple[str, ...]]] = []
        for branch in branches:
            width, names = channels, list[tuple[str, ...]]()
            for number, step in enumerate(branch):
                together: tuple[Step, ...] = (step,) if isinstance(step[0], str) else step  # pyright: ignore
                stride = 2 if halve and number == len(branch) - 1 else 1
                for name, out, kernel in together:
                    self.add_module(name, Conv(width, out, kernel, stride))
                names.append(tuple(name for name, _, _ in together))
                width = together[-1][1]
            self.order.append(names)
        self.branch_pool = None if pool is None else Conv(channels, pool, 1)

    def forward(self, x: Tensor) -> Tensor:
        outputs: list[Tensor] = []
        for branch in self.order:
            y = [x]
            for names in branch:
                y = [self.get_submodule(name)(y[-1]) for name in names]
            outputs += y
        if self.halve:
            pooled = F.max_pool2d(x, 3, 2)
        elif self.pool_by == "max":
            pooled = F.max_pool2d(x, 3, 1, 1)
        else:
            pooled = F.avg_pool2d(x, 3, 1, 1, count_include_pad=False)
        outputs.append(pooled if self.branch_pool is None else self.branch_pool(pooled))
        return torch.cat(outputs, 1)


def _a(channels: int, pool: int) -> Mixed:
    return Mixed(
        channels,
        (("branch1x1", 64, 1),),
        (("branch5x5_1", 48, 1), ("branch5x5_2", 64, 5)),
        (("branch3x3dbl_1", 64, 1), ("branch3x3dbl_2", 96, 3), ("branch3x3dbl_3", 96, 3)),
        pool=pool,
    )


def _c(width: int) -> Mixed:
    lying, standing = (1, 7), (7, 1)
    return Mixed(
        768,
        (("branch1x1", 192, 1),),
        (("branch7x7_1", width, 1), ("branch7x7_2", width, lying), ("branch7x7_3", 192, standing)),
        (
            ("branch7x7dbl_1", width, 1),
            ("branch7x7dbl_2", width, standing),
            ("branch7x7dbl_3", width, lying),
            ("branch7x7dbl_4", width, standing),
            ("branch7x7dbl_5", 192, lying),
        ),
        pool=192,
    )


def _e(channels: int, pool_by: Literal["mean", "max"]) -> Mixed:
    return Mixed(
        channels,
        (("branch1x1", 320, 1),),
        (("branch3x3_1", 384, 1), (("branch3x3_2a", 384, (1, 3)), ("branch3x3_2b", 384, (3, 1)))),
        (
            ("branch3x3dbl_1", 448, 1),
            ("branch3x3dbl_2", 384, 3),
            (("branch3x3dbl_3a", 384, (1, 3)), ("branch3x3dbl_3b", 384, (3, 1))),
        ),
        pool=192,
        pool_by=pool_by,
    )


class InceptionFeatures(nn.Module):
    """Frames of 299 x 299 in [-1, 1] to 2048 features; parts are named as in the published weights."""

    def __init__(self) -> None:
        super().__init__()
        self.Conv2d_1a_3x3 = Conv(3, 32, 3, stride=2)
        self.Conv2d_2a_3x3 = Conv(32, 32, 3, pad=False)
        self.Conv2d_2b_3x3 = Conv(32, 64, 3)
        self.Conv2d_3b_1x1 = Conv(64, 80, 1)
        self.Conv2d_4a_3x3 = Conv(80, 192, 3, pad=False)
        self.Mixed_5b, self.Mixed_5c, self.Mixed_5d = _a(192, 32), _a(256, 64), _a(288, 64)
        self.Mixed_6a = Mixed(
            288,
            (("branch3x3", 384, 3),),
            (("branch3x3dbl_1", 64, 1), ("branch3x3dbl_2", 96, 3), ("branch3x3dbl_3", 96, 3)),
            pool=None,
            halve=True,
        )
        self.Mixed_6b, self.Mixed_6c, self.Mixed_6d, self.Mixed_6e = _c(128), _c(160), _c(160), _c(192)
        self.Mixed_7a = Mixed(
            768,
            (("branch3x3_1", 192, 1), ("branch3x3_2", 320, 3)),
            (
                ("branch7x7x3_1", 192, 1),
                ("branch7x7x3_2", 192, (1, 7)),
                ("branch7x7x3_3", 192, (7, 1)),
                ("branch7x7x3_4", 192, 3),
            ),
            pool=None,
            halve=True,
        )
        self.Mixed_7b, self.Mixed_7c = _e(1280, "mean"), _e(2048, "max")

    def forward(self, x: Float[Tensor, "F 3 299 299"]) -> Float[Tensor, "F 2048"]:
        x = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x)))
        x = self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(F.max_pool2d(x, 3, 2)))
        x = F.max_pool2d(x, 3, 2)
        for name, block in self.named_children():
            if name.startswith("Mixed"):
                x = block(x)
        return x.mean((2, 3))


@dataclass(frozen=True, eq=False)
class Inception:
    """The features of FID."""

    network: nn.Module
    id: str
    width: int = 2048

    @torch.no_grad()
    def features(self, frames: Frames) -> Float[Tensor, "F 2048"]:
        found: list[Tensor] = []
        for part in frames.split(_BATCH):
            if part.shape[2:] != (_SIDE, _SIDE):
                part = F.interpolate(part, (_SIDE, _SIDE), mode="bilinear", align_corners=False)  # noqa: PLW2901
            found.append(self.network(part * 2 - 1))
        return torch.cat(found)


@cache
def inception(folder: Path) -> Inception:
    """From the weights in a folder. Raises `ModelFolderError` when they are missing or others."""
    tensors, digits = WEIGHTS.read(folder)
    return Inception(filled(InceptionFeatures(), tensors, WEIGHTS), f"inception-2015-{digits}")
