"""What training needs of each group, computed once: latents, depth, vision states; kept on the disk.

The key of an entry is made of the group's content, the weights that encoded it and the
preprocessing, so that an entry is never served for something else. Captions are kept as text and
encoded on the fly: twenty embeddings a clip would take 36 times the room of the latents.
"""

import hashlib
import json
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from jaxtyping import Float, UInt8
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from frameweave.data.group_motion import GroupMotion, GroupMotions
from frameweave.data.lines import Record
from frameweave.errors import ModelFolderError
from frameweave.models.depth import DepthEstimator
from frameweave.models.identity import fingerprint
from frameweave.models.stable_diffusion import StableDiffusion
from frameweave.models.stock import posterior
from frameweave.models.vision import NAME_A_TOWER
from frameweave.runs.atomic import staged
from frameweave.video.group import EncodedSource, FrameGroup, GroupSource, squared

_TENSORS = ("mean", "std", "depth", "vision")
_ABOUT = "frameweave"


class _About(Record):
    """What is kept of a group beside its tensors."""

    captions: tuple[str, ...]
    sha256: str


@dataclass(frozen=True, eq=False)
class Prepared:
    """One group, encoded: posterior of unscaled latents, depth in 255ths, vision states, captions."""

    mean: Float[Tensor, "F C h w"]
    std: Float[Tensor, "F C h w"]
    depth: UInt8[Tensor, "F 1 H W"]
    vision: Float[Tensor, "F N D_vision"]
    captions: tuple[str, ...]
    motion: GroupMotion | None = None
    """None where the training does not need it."""


@dataclass(eq=False)
class CachedGroups:
    """Encodes a group when it is first asked for, unless the source holds it encoded already.

    `pixels` is the side of the square pictures.
    """

    source: GroupSource
    model: StableDiffusion
    estimator: DepthEstimator | None
    folder: Path
    pixels: int
    crop: bool = True
    depth: bool = True
    """Whether the training needs depth. Without an estimator there may be none."""
    vision: bool = True
    """Whether it needs vision states. Without a vision tower there are none."""
    motion: bool = False
    """Whether it needs the motion within groups."""
    _print: str = field(init=False)
    _verified: set[str] = field(default_factory=set[str], init=False, repr=False)
    """Entries whose sums were taken: once in a run."""

    def __post_init__(self) -> None:
        networks: list[nn.Module | None] = [
            self.model.vae,
            None if self.model.vision_tower is None else self.model.vision_tower.network,
            None if self.estimator is None else self.estimator.network,
        ]
        self._print = f"{[fingerprint(n) for n in networks if n is not None]} {self.pixels} {self.crop}"
        if self.estimator is not None:
            self._print += f" {self.estimator.preprocessing} {self.estimator.metric}"

    @property
    def print(self) -> str:
        """A short name of the encoding networks and the preprocessing."""
        return hashlib.sha256(self._print.encode()).hexdigest()[:12]

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int) -> Prepared:
        """Raises `ModelFolderError` when depth or vision states are needed and nothing can give them."""
        prepared = self._kept(index)
        if self.depth and not prepared.depth.numel():
            raise ModelFolderError(
                "training with depth needs a depth estimator, and the model has none",
                hint="name one with --depth-model, or give --no-depth-control",
            )
        if self.vision and not prepared.vision.numel():
            raise ModelFolderError(
                "unshared tokens need a CLIP vision tower, and the model has none",
                hint=f"{NAME_A_TOWER}, or give --n-shared 0",
            )
        return replace(prepared, motion=self._motions[index]) if self.motion else prepared

    @property
    def _motions(self) -> GroupMotions:
        side = self.pixels // self.model.vae_factor
        return GroupMotions(self.source, self.folder, self.pixels, self.crop, (side, side))

    def _kept(self, index: int) -> Prepared:
        if isinstance(self.source, EncodedSource) and (held := self.source.encoded(index, self.print)):
            return _prepared(*held)
        name = hashlib.sha256(f"{self.source.key(index)}|{self._print}".encode()).hexdigest()
        file = self.folder / name[:2] / f"{name}.safetensors"
        if (kept := _entry(file, verified=name in self._verified)) is not None:
            self._verified.add(name)
            return _prepared(*kept)
        tensors, captions = self.encoded(self.source.group(index))
        with staged(file) as stage:
            # one field: the order of several is not always the same
            save_file(
                tensors, stage, {_ABOUT: _About(captions=captions, sha256=_sum(tensors, captions)).line()}
            )
        return _prepared(tensors, captions)

    @torch.no_grad()
    def encoded(self, group: FrameGroup) -> tuple[dict[str, Tensor], tuple[str, ...]]:
        """What is kept of a group: latents and vision states in half precision, depth in 255ths.

        Depth and vision states are empty where neither the group nor the model has them.
        """
        vae = self.model.vae
        with torch.autocast(vae.device.type, enabled=False):  # also when a training step asks
            frames = squared(group.frames, self.pixels, crop=self.crop)
            latent = posterior(vae, (frames * 2 - 1).to(vae.device, vae.dtype))
            tensors = {
                "mean": latent.mean.half(),
                "std": latent.std.half(),
                "depth": (self._depth(group, frames).clamp(0, 1) * 255).round().byte(),
                "vision": self._vision(frames).half(),
            }
        return {name: tensor.cpu().contiguous() for name, tensor in tensors.items()}, group.captions

    def _depth(self, group: FrameGroup, frames: Tensor) -> Tensor:
        if group.depth is not None:
            return squared(group.depth, self.pixels, crop=self.crop)
        if self.estimator is not None:
            return self.estimator.estimate(frames)
        return frames.new_zeros(len(frames), 1, 0, 0)

    def _vision(self, frames: Tensor) -> Tensor:
        if self.model.vision_tower is None:
            return frames.new_zeros(len(frames), 0, 0)
        return self.model.vision(frames)


def _entry(file: Path, *, verified: bool) -> tuple[dict[str, Tensor], tuple[str, ...]] | None:
    """What a file of the cache holds; None when there is none, or it is not whole: it is written anew."""
    try:
        with safe_open(file, "pt") as opened:
            about = _About.model_validate_json((opened.metadata() or {})[_ABOUT])
            tensors = {name: opened.get_tensor(name) for name in _TENSORS}
    except (OSError, SafetensorError, KeyError, ValueError):
        return None
    whole = verified or about.sha256 == _sum(tensors, about.captions)
    return (tensors, about.captions) if whole else None


def _sum(tensors: dict[str, Tensor], captions: tuple[str, ...]) -> str:
    found = hashlib.sha256(json.dumps(captions).encode())
    for name in _TENSORS:
        found.update(tensors[name].view(torch.uint8).numpy().tobytes())
    return found.hexdigest()


def _prepared(tensors: dict[str, Tensor], captions: tuple[str, ...]) -> Prepared:
    mean, std, vision = (tensors[name].float() for name in ("mean", "std", "vision"))
    return Prepared(mean, std, tensors["depth"], vision, captions)
