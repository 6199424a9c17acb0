"""What follows the timestep of each of a UNet's calls, whatever loop calls it."""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle


def first_of(t: float | Tensor) -> float:
    """The timestep that decides where a call has one for each frame: that of the first."""
    return float(t.flatten()[0]) if isinstance(t, Tensor) else t


def before_each(unet: nn.Module, act: Callable[[float], None]) -> RemovableHandle:
    """From now on `act` is told the timestep of each call of the UNet before it is computed."""

    def told(_module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        act(first_of(args[1] if len(args) > 1 else kwargs["timestep"]))

    return unet.register_forward_pre_hook(told, with_kwargs=True)
