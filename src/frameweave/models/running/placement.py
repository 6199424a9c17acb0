"""Parts of a model that lie on the device only while they work, and else in the machine's memory."""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

import torch
from accelerate.utils.operations import send_to_device
from diffusers import UNet2DConditionModel
from torch import nn

_CPU = torch.device("cpu")


class Placement:
    """Groups of networks, of which one is on the device at a time.

    A network that is called brings its group there, and the group that worked before goes back. Its inputs
    come with it, so that nobody need know where it lies. What works in turns belongs in one group.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._working: tuple[nn.Module, ...] = ()

    def add(self, group: Sequence[nn.Module]) -> None:
        """Networks that work together; they lie on the CPU now."""
        networks = tuple(group)
        for network in networks:
            for entry in entries(network):
                entry.register_forward_pre_hook(partial(self._called, networks), with_kwargs=True)

    def rest(self) -> None:
        """What works goes back: the device is empty."""
        for network in self._working:
            network.to(_CPU)
        self._working = ()

    def _called(
        self, group: tuple[nn.Module, ...], _module: nn.Module, args: Any, kwargs: Any
    ) -> tuple[Any, Any] | None:
        if any(weight.is_meta for weight in group[0].parameters()):  # shapes lie nowhere
            return None
        if self._working != group:
            self.rest()
            self._working = group  # before they are moved: else half a group would stay when one is too large
            for network in group:
                network.to(self.device)
        return send_to_device(args, self.device), send_to_device(kwargs, self.device)


def entries(network: nn.Module) -> Iterable[nn.Module]:
    """What of a network is called from outside: itself, and parts of it, but for UNets."""
    yield network
    if not isinstance(network, UNet2DConditionModel):
        yield from network.children()
