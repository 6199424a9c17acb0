"""Where networks run, and in which precision."""

from typing import Literal

import torch

from frameweave.errors import InputError

DTYPES = {
    "fp32": torch.float32,
    "fp16": torch.float16,
    "bf16": torch.bfloat16,
    "fp64": torch.float64,
}
HALF = (torch.float16, torch.bfloat16)
AUTO = "auto"
_CPU_UNITS = ("amx_bf16", "avx512_bf16")


def torch_device(name: str) -> torch.device:
    """The device of that name; `auto` is the best there is. Raises `InputError` when it is absent."""
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return torch.device(next(kind for kind in ("cuda", "mps", "cpu") if there[kind]))
    kind = name.split(":", maxsplit=1)[0]
    if not there.get(kind, False):
        raise InputError(
            f"device {name!r} is not available on this machine",
            hint=f"choose from auto, {', '.join(k for k, v in there.items() if v)}",
        )
    return torch.device(name)


def torch_dtype(name: str, device: torch.device) -> torch.dtype:
    """The precision of that name. Raises `InputError` when it is unknown, and when the device has
    none such.
    """
    name = half_of(device) or "fp32" if name == AUTO else name
    if name not in DTYPES:
        raise InputError(f"unknown dtype {name!r}", hint=f"choose from {AUTO}, {', '.join(DTYPES)}")
    if device.type == "mps" and name == "fp64":
        raise InputError("Apple's GPUs have no double precision", hint="give --device cpu, or --dtype fp32")
    return DTYPES[name]


def dtype_name(dtype: torch.dtype) -> str:
    """What `torch_dtype` takes for it.

    >>> dtype_name(torch.bfloat16)
    'bf16'
    """
    return next(name for name, kind in DTYPES.items() if kind == dtype)


def half_of(device: torch.device) -> Literal["bf16", "fp16"] | None:
    """The half precision that a device computes in by itself; None where it would only imitate one.

    bf16 goes before fp16, which overflows in some models.
    """
    if device.type == "cpu":
        has = torch.cpu.get_capabilities()
        return "bf16" if any(has.get(unit) for unit in _CPU_UNITS) else None
    native = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return "bf16" if native else "fp16"
