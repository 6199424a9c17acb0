"""In which number type forward and backward run."""

from typing import Literal

import torch

Precision = Literal["fp32", "bf16", "fp16"]


def resolved(precision: Precision | Literal["auto"], device: torch.device) -> Precision:
    """`auto` is bf16 where the hardware multiplies matrices in it, else fp16 on GPUs and fp32 on CPUs.

    A CPU without AMX emulates bf16, several times slower than fp32, and so do GPUs older than Ampere.
    """
    if precision != "auto":
        return precision
    if device.type == "cpu":
        return "bf16" if torch.cpu.get_capabilities().get("amx_bf16") else "fp32"
    native = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return "bf16" if native else "fp16"


def autocast(precision: Precision | Literal["auto"], device: torch.device) -> torch.autocast:
    """Forward and backward in that precision."""
    # not the accelerator's: its precision is fixed once per process
    chosen = resolved(precision, device)
    dtype = torch.float16 if chosen == "fp16" else torch.bfloat16
    return torch.autocast(device.type, dtype, enabled=chosen != "fp32")
