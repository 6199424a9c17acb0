"""Depth maps for a clip, from a monocular depth estimator (DPT, Depth Anything and relatives)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from transformers import AutoModelForDepthEstimation, PreTrainedModel
from transformers.image_processing_base import ImageProcessingMixin

from frameweave.models.loading.choice import MINIATURE, miniature_folder
from frameweave.models.loading.device import torch_device
from frameweave.models.loading.hub import resolved
from frameweave.models.loading.places import DEPTH, located
from frameweave.models.loading.weights import network, unloadable
from frameweave.models.memory import Chunks, memory_for

_USUAL = "depth-anything/Depth-Anything-V2-Small-hf"
_METRIC = ("zoedepth", "glpn")  # kinds whose configurations do not say that they give distances


@dataclass(frozen=True, kw_only=True)
class Preprocessing:
    """How an estimator wants its pictures, as its `preprocessor_config.json` says."""

    height: int = 384
    width: int = 384
    keep_aspect_ratio: bool = False
    """Scale both sides by the factor that is nearer to 1."""
    multiple: int = 1
    """Of what both sides must be."""
    mean: tuple[float, ...] = (0.5, 0.5, 0.5)
    std: tuple[float, ...] = (0.5, 0.5, 0.5)

    def __post_init__(self) -> None:
        if len(self.mean) != 3 or len(self.std) != 3 or not min(self.std) > 0:
            raise ValueError(f"colours of mean {self.mean} and deviation {self.std}, expected three of each")
        if min(self.height, self.width, self.multiple) < 1:
            raise ValueError(f"pictures of {self.width} x {self.height}, in multiples of {self.multiple}")

    def size(self, height: int, width: int) -> tuple[int, int]:
        """Rows and columns that pictures of this size are scaled to.

        >>> Preprocessing(height=518, width=518, keep_aspect_ratio=True, multiple=14).size(480, 640)
        (518, 686)
        """
        rows, columns = self.height / height, self.width / width
        if self.keep_aspect_ratio:
            rows = columns = min(rows, columns, key=lambda scale: abs(1 - scale))
        sides = (rows * height, columns * width)
        first, second = (max(1, round(side / self.multiple)) * self.multiple for side in sides)
        return first, second


@dataclass(frozen=True, eq=False)
class DepthEstimator:
    """Predicts relative inverse depth; made by `load`."""

    network: nn.Module
    preprocessing: Preprocessing = Preprocessing()
    metric: bool = False
    """Whether the network gives distances, which are inverted here."""
    chunk_size: int = 16

    def estimate(self, frames: Float[Tensor, "F 3 H W"]) -> Float[Tensor, "F 1 H W"]:
        """Inverse depth in [0, 1], near is 1, of frames in [0, 1].

        One scale and shift for the whole clip: a scale per frame would flicker.
        """
        return per_clip(self.raw(frames))

    @torch.no_grad()
    def raw(self, frames: Float[Tensor, "F 3 H W"]) -> Float[Tensor, "F 1 H W"]:
        """Inverse depth at the network's own scale, for clips that come in parts; see `per_clip`."""
        device = next(self.network.parameters()).device
        mean, std = (torch.tensor(v).view(3, 1, 1) for v in (self.preprocessing.mean, self.preprocessing.std))
        size = self.preprocessing.size(*frames.shape[2:])

        def predicted(part: slice) -> Tensor:
            x = F.interpolate(frames[part], size, mode="bicubic", antialias=True, align_corners=False)
            x = (x.clamp(0, 1) - mean) / std
            depth = self.network(x.to(device)).predicted_depth[:, None].float().cpu()
            if self.metric:
                depth = 1 / depth.clamp(min=1e-3)
            return F.interpolate(depth, frames.shape[2:], mode="bilinear", align_corners=False)

        with memory_for("estimating depth", hint="give a smaller --size, or a smaller --depth-model"):
            return Chunks(self.chunk_size).over(len(frames), predicted)


def per_clip(depth: Float[Tensor, "F 1 H W"]) -> Float[Tensor, "F 1 H W"]:
    """Scaled so that the clip's farthest point is 0 and its nearest is 1.

    >>> per_clip(torch.tensor([2.0, 4.0]).reshape(2, 1, 1, 1)).flatten().tolist()
    [0.0, 1.0]
    """
    low, high = depth.amin(), depth.amax()
    return (depth - low) / (high - low).clamp(min=1e-6)


def load(model: str, name: str | None = None, *, device: str = "auto") -> DepthEstimator | None:
    """The estimator of that name (folder or hub id); by default the model folder's own.

    None when the model folder has none and no name is given. For Stable Diffusion 1.5 name e.g.
    depth-anything/Depth-Anything-V2-Small-hf. Raises `ModelFolderError` when it cannot be loaded.
    """
    folder = miniature_folder() if model == MINIATURE else Path(model)
    source = str(folder / DEPTH) if name is None else name
    if name is None and not Path(source).is_dir():
        return None
    source, _ = located(resolved(source))
    reader = cast("Callable[..., PreTrainedModel]", AutoModelForDepthEstimation.from_pretrained)
    todo = f"give a transformers depth model such as {_USUAL}"
    estimator = network(reader, source, failing="not a depth estimator", hint=todo)
    return DepthEstimator(
        nn.Module.to(estimator.requires_grad_(False).eval(), torch_device(device), torch.float32),
        _preprocessing(source, getattr(estimator.config, "image_size", None) or 384),
        _gives_distances(estimator.config),
    )


def _gives_distances(config: Any) -> bool:
    usual = "metric" if config.model_type in _METRIC else "relative"
    return getattr(config, "depth_estimation_type", usual) == "metric"


def _preprocessing(source: str, pixels: int | Sequence[int]) -> Preprocessing:
    """Of the model's preprocessor_config.json; without one, pictures of so many `pixels` in [-1, 1]."""
    height, width = (pixels, pixels) if isinstance(pixels, int) else pixels
    local = Path(source).is_dir()
    try:
        table, _ = ImageProcessingMixin.get_image_processor_dict(source, local_files_only=local)
    except OSError:
        return Preprocessing(height=height, width=width)
    try:
        return _said(table, height, width)
    except (TypeError, ValueError, AttributeError) as error:
        file = Path(source) / "preprocessor_config.json"
        raise unloadable(file, error, hint="copy or download it again") from error


def _said(table: dict[str, Any], height: int, width: int) -> Preprocessing:
    """Raises what a value of another type raises."""
    said: dict[str, int] | int = table.get("size") or {}
    size = {"height": said, "width": said} if isinstance(said, int) else said  # a number in older files
    return Preprocessing(
        height=int(size.get("height", height)),
        width=int(size.get("width", width)),
        keep_aspect_ratio=bool(table.get("keep_aspect_ratio", False)),
        multiple=int(table.get("ensure_multiple_of", 1)),
        mean=tuple(float(value) for value in table.get("image_mean", Preprocessing.mean)),
        std=tuple(float(value) for value in table.get("image_std", Preprocessing.std)),
    )
