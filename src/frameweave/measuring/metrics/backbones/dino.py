"""A DINO vision transformer of any size, of the first or second kind, from a folder or a hub id."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from transformers import AutoConfig, Dinov2Model, ViTModel

from frameweave.errors import ModelFolderError
from frameweave.measuring.metrics.base import Frames
from frameweave.models.identity import fingerprint
from frameweave.models.loading.hub import resolved
from frameweave.models.loading.places import located
from frameweave.models.loading.weights import network, unloadable

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""Means and standard deviations of the colours that these networks' pictures are normalised with."""
_SIDE, _LONGEST = 224, 480  # pixels of the shorter side, and of the longer one at most
_KEYS = ("k_proj", "key")  # what libraries call the layer that makes keys


@dataclass(frozen=True, eq=False)
class Dino:
    """The network, without a head."""

    model: nn.Module
    id: str
    side: int
    """Pixels of the shorter side of what it is given."""

    @torch.no_grad()
    def keys(self, frames: Frames) -> Float[Tensor, "F T D"]:
        found: list[Tensor] = []

        def keep(layer: nn.Module, given: object, keys: Tensor) -> None:
            found.append(keys)

        handle = _key_layer(self.model).register_forward_hook(keep)
        try:
            self._states(normalised(whole(frames, self.side)))
        finally:
            handle.remove()
        return found[0]

    @torch.no_grad()
    def classes(self, pictures: Float[Tensor, "F 3 h w"]) -> Float[Tensor, "F D"]:
        """The class token of pictures that are prepared."""
        return torch.cat([self._states(picture[None])[:, 0] for picture in pictures]).float()

    def _states(self, pictures: Float[Tensor, "F 3 h w"]) -> Float[Tensor, "F T D"]:
        """The normalised last states."""
        more = {"interpolate_pos_encoding": True} if isinstance(self.model, ViTModel) else {}
        return self.model(pixel_values=pictures, **more).last_hidden_state


def whole(frames: Frames, side: int = _SIDE) -> Float[Tensor, "F 3 h w"]:
    """With its shorter side as given, unless the longer one passed 480 / 224 of that: so torchvision does."""
    height, width = frames.shape[2:]
    short, long = side, int(side * max(height, width) / min(height, width))
    most = side * _LONGEST // _SIDE
    if long > most:
        short, long = max(1, int(most * short / long)), most
    size = (short, long) if height <= width else (long, short)
    return F.interpolate(frames, size, mode="bilinear", antialias=True, align_corners=False)


def normalised(frames: Frames) -> Float[Tensor, "F 3 h w"]:
    """With the colours of ImageNet."""
    mean, std = (torch.tensor(row).view(1, 3, 1, 1).to(frames) for row in IMAGENET)
    return (frames - mean) / std


def _key_layer(model: nn.Module) -> nn.Module:
    """The last one."""
    return [layer for name, layer in model.named_modules() if name.rsplit(".", 1)[-1] in _KEYS][-1]


@cache
def hub_dino(name: str) -> Dino:
    """From a folder or a hub id. Raises `ModelFolderError` when it cannot be had, or is of another kind."""
    source, _ = located(resolved(name))
    todo = "name a folder that holds facebook/dino-vitb8 with --dino-model"
    failing = "no DINO network to be had"
    try:
        config = AutoConfig.from_pretrained(source, local_files_only=Path(source).is_dir())
    except Exception as error:
        raise unloadable(source, error, failing=failing, hint=todo) from error
    kinds: dict[str, Callable[..., nn.Module]] = {
        "vit": partial(ViTModel.from_pretrained, add_pooling_layer=False),
        "dinov2": Dinov2Model.from_pretrained,
    }
    if config.model_type not in kinds:
        raise ModelFolderError(f"{name}: a {config.model_type}, expected a vit or dinov2", hint=todo)
    model = network(kinds[config.model_type], source, failing=failing, hint=todo)
    side = min(_SIDE, int(config.image_size))
    return Dino(model.float().eval(), f"{Path(name).name}-{fingerprint(model)[:6]}", side)
