"""Random LoRAs for a model's layers, written in the layouts of other programs, and their sums by hand."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from frameweave.models.stable_diffusion import StableDiffusion

Tensors = dict[str, Tensor]


@dataclass(frozen=True)
class Pair:
    """up times down times alpha / rank."""

    up: Tensor
    down: Tensor
    alpha: float

    @property
    def delta(self) -> Tensor:
        rank = len(self.down)
        return self.alpha / rank * self.up.double().flatten(1) @ self.down.double().flatten(1)


def weighted(network: nn.Module) -> dict[str, nn.Module]:
    """Linear layers and convolutions by name."""
    return {
        name: layer for name, layer in network.named_modules() if isinstance(layer, nn.Linear | nn.Conv2d)
    }


def random_pairs(
    network: nn.Module, *, seed: int = 0, rank: int = 4, alpha: float = 2.0, endings: tuple[str, ...] = ("",)
) -> dict[str, Pair]:
    """For each such layer whose name has one of the endings; convolutions get two, as LoCon's."""
    rng = torch.Generator().manual_seed(seed)
    made: dict[str, Pair] = {}
    for name, layer in weighted(network).items():
        if not name.endswith(endings):
            continue
        shape = tuple(layer.weight.shape)
        tail = (1,) * (len(shape) - 2)
        up = 0.2 * torch.randn(shape[0], rank, *tail, generator=rng)
        down = 0.2 * torch.randn(rank, *shape[1:], generator=rng)
        made[name] = Pair(up, down, alpha)
    return made


def kohya(pairs: dict[str, Pair], prefix: str = "lora_unet_") -> Tensors:
    tensors: Tensors = {}
    for name, pair in pairs.items():
        flat = prefix + name.replace(".", "_")
        tensors[f"{flat}.lora_up.weight"], tensors[f"{flat}.lora_down.weight"] = pair.up, pair.down
        tensors[f"{flat}.alpha"] = torch.tensor(pair.alpha)
    return tensors


def peft(pairs: dict[str, Pair], prefix: str = "unet.") -> Tensors:
    """Without alpha: it is in B."""
    tensors: Tensors = {}
    for name, pair in pairs.items():
        tensors[f"{prefix}{name}.lora_A.weight"] = pair.down
        tensors[f"{prefix}{name}.lora_B.weight"] = pair.up * (pair.alpha / len(pair.down))
    return tensors


def earlier_diffusers(pairs: dict[str, Pair]) -> Tensors:
    """As diffusers wrote attention before it took PEFT, with alpha in up."""
    tensors: Tensors = {}
    for name, pair in pairs.items():
        block, _, layer = name.removesuffix(".0").rpartition(".")
        tensors[f"unet.{block}.processor.{layer}_lora.down.weight"] = pair.down
        tensors[f"unet.{block}.processor.{layer}_lora.up.weight"] = pair.up * (pair.alpha / len(pair.down))
    return tensors


def saved(tensors: Tensors, file: Path, header: dict[str, str] | None = None) -> str:
    save_file({key: tensor.clone().contiguous() for key, tensor in tensors.items()}, file, header)
    return str(file)


def summed(
    network: nn.Module, pairs: Mapping[str, Pair], strength: float = 1.0, *, exact: bool = False
) -> nn.Module:
    """A copy of a network with W + strength * delta; in float64 if that is to go on, else rounded once."""
    changed = copy.deepcopy(network).double()
    for name, pair in pairs.items():
        weight = changed.get_submodule(name).get_parameter("weight")
        weight.data += strength * pair.delta.view(weight.shape)
    return changed if exact else changed.to(next(network.parameters()).dtype)


def states(model: StableDiffusion) -> list[Tensor]:
    """Copies of every number of the networks that LoRAs change."""
    networks = (model.unet, *model.text.networks)
    return [value.clone() for network in networks for value in network.state_dict().values()]


def same(a: list[Tensor], b: list[Tensor]) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))
