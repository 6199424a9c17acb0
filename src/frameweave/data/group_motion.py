"""How the content of a group's frames moves, at the latents' size; found once and kept on the disk.

It is exact where the group knows it, else estimated. What is damaged is not served, and found anew.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from frameweave.runs.atomic import staged
from frameweave.video.group import FrameGroup, GroupSource, squared
from frameweave.video.motion.flows import Flow, flow_of
from frameweave.video.motion.motion import motion_of

_VERSION = 1
"""Raised when the same frames give other motion."""
_NAME, _SUM = "motion", "sha256"
GroupMotion = Float[Tensor, "F_minus_1 3 h w"]
"""Of each frame but the last: how far each cell's content moves until the next frame, in cells, x to the
right and y down, and how surely it is seen there, in [0, 1]."""


@dataclass(frozen=True, eq=False)
class GroupMotions:
    """The motion within the groups of a source."""

    source: GroupSource
    folder: Path
    pixels: int
    """Side of the square pictures that are trained on."""
    crop: bool
    size: tuple[int, int]
    """Height and width of the latents."""

    def __getitem__(self, index: int) -> GroupMotion:
        """Raises `MissingExtra` where it must be estimated and nothing is installed that could."""
        flow = flow_of()
        about = f"motion {_VERSION} {self.source.key(index)} {self.pixels} {self.crop} {self.size}"
        name = hashlib.sha256(f"{about} {flow.identity}".encode()).hexdigest()
        file = self.folder / name[:2] / f"{name}.safetensors"
        if (kept := _kept(file)) is None:
            kept = self._found(self.source.group(index), flow).half().contiguous()
            with staged(file) as stage:
                save_file({_NAME: kept}, stage, {_SUM: _sum(kept)})
        return kept.float()

    def _found(self, group: FrameGroup, flow: Flow) -> GroupMotion:
        height, width = self.size
        if (exact := group.motion) is not None:
            scale = torch.tensor([width / exact.shape[3], height / exact.shape[2], 1.0])[:, None, None]
            return F.adaptive_avg_pool2d(exact, self.size) * scale
        frames = squared(group.frames, self.pixels, crop=self.crop)
        motion = motion_of(frames, 1, size=self.size, provider=flow.provider)
        onward = motion.offsets.index(1)
        return torch.cat([motion.flow[onward, :-1], motion.weight[onward, :-1]], dim=1)


def _kept(file: Path) -> Tensor | None:
    """What a file holds; None when there is none, or it is not whole."""
    try:
        with safe_open(file, "pt") as opened:
            motion = opened.get_tensor(_NAME)
            whole = (opened.metadata() or {}).get(_SUM) == _sum(motion)
    except (OSError, SafetensorError):
        return None
    return motion if whole else None


def _sum(motion: Tensor) -> str:
    return hashlib.sha256(f"{tuple(motion.shape)}".encode() + motion.numpy().tobytes()).hexdigest()
