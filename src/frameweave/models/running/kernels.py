"""By which of torch's kernels attention is computed: all give the same but for rounding."""

import warnings
from collections.abc import Callable

import torch
import torch.nn.functional as F
from diffusers.models.attention_processor import Attention
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from frameweave.errors import InputError
from frameweave.models.loading.device import HALF

AUTO = "auto"
KERNELS = {
    "flash": SDPBackend.FLASH_ATTENTION,
    "efficient": SDPBackend.EFFICIENT_ATTENTION,
    "cudnn": SDPBackend.CUDNN_ATTENTION,
    "math": SDPBackend.MATH,
}


def attend_by(network: nn.Module, name: str) -> None:
    """Let all attention layers of a UNet or ControlNet compute by that kernel, whatever rule is on them."""
    for layer in _attentions(network):
        layer.forward = _ByKernel(layer, KERNELS[name])  # pyright: ignore[reportAttributeAccessIssue]


class _ByKernel:
    """An attention layer's `forward` with one kernel; an object, so that a copy of the layer has its own."""

    def __init__(self, layer: Attention, kernel: SDPBackend) -> None:
        self.layer, self.kernel = layer, kernel

    def __call__(self, hidden_states: Tensor, *args: object, **keywords: object) -> Tensor:
        plain: Callable[..., Tensor] = type(self.layer).forward
        if hidden_states.is_meta:  # shapes have no kernels
            return plain(self.layer, hidden_states, *args, **keywords)
        with sdpa_kernel(self.kernel):
            return plain(self.layer, hidden_states, *args, **keywords)


def check_kernel(name: str, network: nn.Module, device: torch.device, dtype: torch.dtype) -> None:
    """Raise `InputError` when the kernel is unknown, or cannot do the network's attention on the device."""
    if name == AUTO:
        return
    if name not in KERNELS:
        raise InputError.unknown("attention kernel", name, [AUTO, *KERNELS])
    for heads, width in sorted({(one.heads, one.inner_dim // one.heads) for one in _attentions(network)}):
        x = torch.zeros(1, heads, 16, width, device=device, dtype=dtype)
        try:
            with warnings.catch_warnings(), sdpa_kernel(KERNELS[name]):
                warnings.simplefilter("ignore")  # torch warns of every reason before it raises
                F.scaled_dot_product_attention(x, x, x)
        except RuntimeError as error:
            kind = str(dtype).removeprefix("torch.")
            half = dtype not in HALF and device.type == "cuda" and name in ("flash", "cudnn")
            raise InputError(
                f"--attention {name}: torch has no such kernel for {device.type}, {kind} and heads of width "
                f"{width}",
                hint=("give --dtype fp16 or bf16, or " if half else "") + "leave --attention out",
            ) from error


def _attentions(network: nn.Module) -> list[Attention]:
    return [layer for layer in network.modules() if isinstance(layer, Attention)]
