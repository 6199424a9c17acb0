"""Where networks run, and in which precision."""

import torch

from frameweave.errors import InputError

DTYPES = {
    "fp32": torch.float32,
    "fp16": torch.float16,
    "bf16": torch.bfloat16,
    "fp64": torch.float64,
}


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
    if name not in DTYPES:
        raise InputError(f"unknown dtype {name!r}", hint=f"choose from {', '.join(DTYPES)}")
    if device.type == "mps" and name == "fp64":
        raise InputError("Apple's GPUs have no double precision", hint="give --device cpu, or --dtype fp32")
    return DTYPES[name]
