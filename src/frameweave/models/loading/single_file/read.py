"""Networks from a file of the original layout: every tensor in its place, or an error that names others."""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, TypeVar

from accelerate import init_empty_weights
from diffusers import ConfigMixin
from safetensors import safe_open
from torch import Tensor, nn
from transformers import CLIPTextConfig

from frameweave.errors import ModelFolderError
from frameweave.models.loading.single_file.header import Header
from frameweave.models.loading.single_file.names import Spot
from frameweave.models.loading.weights import unloadable, wrong_tensors

M = TypeVar("M", bound=nn.Module)


def empty_network(kind: type[M], config: Mapping[str, Any], source: str) -> M:
    """A network of these settings without weights. Raises `ModelFolderError` when they make no sense."""
    try:
        with init_empty_weights():
            if issubclass(kind, ConfigMixin):
                return kind.from_config(dict(config))  # pyright: ignore
            return kind(CLIPTextConfig.from_dict(dict(config)))
    except Exception as error:
        raise unloadable(source, error) from error


def fill(
    network: nn.Module,
    spots: Mapping[str, Spot],
    header: Header,
    *,
    own: Collection[str],
    unused: Sequence[str] = (),
    hint: str,
) -> None:
    """Give a network without weights those of a file; `own` are the file's tensors of this part.

    Those whose names match one of `unused` change nothing. Raises `ModelFolderError` for tensors that are
    missing or of another shape, and for those of the part that have no place in the network.
    """
    wanted = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    missing = sorted({spots[name].name for name in wanted} - header.shapes.keys())
    shapes: list[str] = []
    for name, shape in wanted.items():
        spot = spots[name]
        has = header.shapes.get(spot.name)
        if has is not None and _bare(spot.shape(has)) != _bare(shape):
            shapes.append(f"{spot.name} {has}, for {name} {shape}")
    asked = {spots[name].name for name in wanted}
    others = [name for name in own if name not in asked and not any(re.search(one, name) for one in unused)]
    if wrong := wrong_tensors(type(network).__name__, missing, sorted(shapes), sorted(others)):
        raise ModelFolderError(f"{header.file}: {wrong}", hint=hint)
    with safe_open(header.file, "pt") as opened:
        state: dict[str, Tensor] = {
            name: spots[name].of(opened.get_tensor(spots[name].name)).reshape(shape)
            for name, shape in wanted.items()
        }
    network.load_state_dict(state, assign=True)


def _bare(shape: Sequence[int]) -> tuple[int, ...]:
    """Without the two axes of a convolution over single pixels, which is a matrix."""
    return tuple(shape[:2] if len(shape) == 4 and tuple(shape[2:]) == (1, 1) else shape)
