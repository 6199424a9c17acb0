"""Parts of a UNet or ControlNet compiled by torch, wherever nothing has been put on them.

Residual blocks and feed-forward layers are compiled, each for itself. Attention is not: editors put rules
there whose state no compiler sees, and its kernels are fast as they are. A part that an editor changes,
by a `forward` of its own or by hooks, runs as it is until the change is undone; so does all where
gradients are kept, as in training and for null texts.
"""

import os
import shutil
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any, cast

import torch
from torch import Tensor, nn

from frameweave.errors import InputError

_PARTS = ("ResnetBlock2D", "FeedForward")
_COMPILERS = ("c++", "g++", "clang++", "cl")
_SHAPES = 128  # torch stops compiling anew after 8; the levels of a UNet alone have more kinds of parts

Backend = str | Callable[..., Any]


def compile_parts(network: nn.Module, backend: Backend = "inductor") -> None:
    """Compile its parts in place, each at its first call; copies of the network are not compiled."""
    config = cast("Any", torch)._dynamo.config  # not imported above: it takes seconds
    config.recompile_limit = max(config.recompile_limit, _SHAPES)
    for part in network.modules():
        if type(part).__name__ in _PARTS:
            # what `nn.Module.compile` sets, with a choice in front; an editor may hide `forward`, not this
            cast("Any", part)._compiled_call_impl = _compiled_where_untouched(part, backend)


def _compiled_where_untouched(part: nn.Module, backend: Backend) -> Callable[..., object]:
    plain = cast("Any", part)._call_impl
    compiled = torch.compile(plain, backend=backend)

    def call(*args: object, **keywords: object) -> object:
        may = not torch.is_grad_enabled() and _untouched(part)
        return (compiled if may else plain)(*args, **keywords)

    return call


def _untouched(part: nn.Module) -> bool:
    """Asked at every call: torch does not look whether hooks have come since it compiled."""
    return not any(
        "forward" in values or values["_forward_hooks"] or values["_forward_pre_hooks"]
        for values in map(vars, part.modules())
    )


def check_compiler(device: torch.device) -> None:
    """Raise `InputError` when torch cannot compile for that device, with what is missing."""
    if device.type == "cuda" and find_spec("triton") is None:
        raise InputError(
            "--compile needs triton on a GPU, and it is not installed",
            hint="pip install triton (on Windows triton-windows), or leave --compile out",
        )
    asked = os.environ.get("CXX")
    looked_for = [asked] if asked else _COMPILERS
    if device.type == "cpu" and not any(map(shutil.which, looked_for)):
        raise InputError(
            f"--compile needs a C++ compiler, and there is none (looked for {', '.join(looked_for)})",
            hint="install one, such as g++, or leave --compile out",
        )
    try:
        torch.compile(_tried)(torch.ones(16, device=device))
    except (RuntimeError, ImportError, OSError) as error:
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InputError(
            f"torch cannot compile for {device.type} here ({first})", hint="leave --compile out"
        ) from error


def _tried(x: Tensor) -> Tensor:
    return x.sigmoid() * x + 1
