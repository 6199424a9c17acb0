"""Encoded groups beside their shard: `train-000003.<print>.safetensors`, a file for each encoder.

The print names the encoding networks and the pictures' size, so that a sidecar is never taken for
another model's; the tar's sum is kept inside, so that it is never taken for another tar's.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from frameweave.data.shards.open_files import MOST_OPEN
from frameweave.runs.atomic import staged

_SUMS = "tar_and_tensors_sha256"
"""In one text: safetensors writes several in no fixed order, and files have the same bytes each time."""


def sidecar(folder: Path, shard: str, print_: str) -> Path:
    """Where a shard's encoded groups lie."""
    return folder / f"{shard}.{print_}.safetensors"


def write_sidecar(
    folder: Path, shard: str, print_: str, groups: dict[str, dict[str, Tensor]], *, tar: str
) -> Path:
    """Write the encoded groups of a shard by their keys; `tar` is the sum of the shard's tar."""
    target = sidecar(folder, shard, print_)
    flat = {
        f"{key}/{name}": tensor.contiguous() for key, own in groups.items() for name, tensor in own.items()
    }
    with staged(target) as stage:
        save_file(flat, stage, {_SUMS: f"{tar} {_sum_of(flat)}"})
    return target


def is_whole(folder: Path, shard: str, print_: str, *, tar: str) -> bool:
    """Whether the shard's groups are encoded, from this very tar, and as they were written."""
    try:
        with safe_open(sidecar(folder, shard, print_), "pt") as opened:
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
            return (opened.metadata() or {}).get(_SUMS) == f"{tar} {_sum_of(tensors)}"
    except (OSError, SafetensorError):
        return False


def _sum_of(tensors: Mapping[str, Tensor]) -> str:
    total = hashlib.sha256()
    for name in sorted(tensors):
        total.update(name.encode())
        total.update(tensors[name].reshape(-1).view(torch.uint8).numpy().tobytes())
    return total.hexdigest()


@dataclass(eq=False)
class Sidecars:
    """The encoded groups of one print. Files stay open, but not more of them than `MOST_OPEN`."""

    folder: Path
    print_: str

    def __post_init__(self) -> None:
        self._opened = lru_cache(maxsize=MOST_OPEN)(self._open)

    def group(self, shard: str, key: str, *, tar: str) -> dict[str, Tensor] | None:
        """The tensors of a group by name; None when its shard is not encoded."""
        opened = self._opened(shard, tar)
        if opened is None:
            return None
        names = [name for name in opened.keys() if name.startswith(f"{key}/")]  # noqa: SIM118
        return {name.rpartition("/")[2]: opened.get_tensor(name) for name in names} or None

    def _open(self, shard: str, tar: str) -> Any:
        """The open file, which closes with its last reference; None when the shard is not encoded."""
        whole = is_whole(self.folder, shard, self.print_, tar=tar)
        return safe_open(sidecar(self.folder, shard, self.print_), "pt").__enter__() if whole else None
