"""A model as shapes alone: all its networks on the meta device, with whatever has been put on them."""

import copy
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar, cast

import torch
from torch import Tensor, nn

T = TypeVar("T")

_OURS = __name__.partition(".")[0]


def shapes_of(thing: T) -> T:
    """A copy whose networks have shapes in place of weights; no weight is copied.

    `thing` is a network, or an object of ours that holds some.
    """
    memo: dict[int, Any] = {}
    for network in networks_in(thing):
        for tensor in (*network.parameters(), *network.buffers()):
            memo[id(tensor)] = _shape(tensor)
    return copy.deepcopy(thing, memo)


def networks_in(thing: object) -> list[nn.Module]:
    """The networks that an object is or holds, also in objects of ours, lists and tables."""
    found: list[nn.Module] = []
    seen: set[int] = set()
    left: list[object] = [thing]
    while left:
        at = left.pop()
        if id(at) in seen:
            continue
        seen.add(id(at))
        if isinstance(at, nn.Module):
            found.append(at)
        elif isinstance(at, list | tuple):
            left.extend(cast("Iterable[object]", at))
        elif isinstance(at, Mapping):
            left.extend(cast("Mapping[object, object]", at).values())
        elif type(at).__module__.partition(".")[0] == _OURS:
            left.extend(getattr(at, "__dict__", {}).values())
    return found


def weight_bytes(networks: Iterable[nn.Module]) -> int:
    """Bytes of their weights and buffers; what several of them share counts once."""
    tensors = {
        id(tensor): tensor.nbytes
        for network in networks
        for tensor in (*network.parameters(), *network.buffers())
    }
    return sum(tensors.values())


def _shape(tensor: Tensor) -> Tensor:
    empty = torch.empty_like(tensor, device="meta")
    if isinstance(tensor, nn.Parameter):
        return nn.Parameter(empty, requires_grad=tensor.requires_grad)
    return empty
