"""Encoded groups beside their shard: `train-000003.<print>.safetensors`, a file for each encoder.

The print names the encoding networks and the pictures' size, so that a sidecar is never taken for
another model's; the tar's sum is kept inside, so that it is never taken for another tar's.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from frameweave.atomic import staged

_TAR = "tar_sha256"


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
        save_file(flat, stage, {_TAR: tar})
    return target


def is_whole(folder: Path, shard: str, print_: str, *, tar: str) -> bool:
    """Whether the shard's groups are encoded, and from this very tar."""
    try:
        with safe_open(sidecar(folder, shard, print_), "pt") as opened:
            return (opened.metadata() or {}).get(_TAR) == tar
    except (OSError, SafetensorError):
        return False


@dataclass(eq=False)
class Sidecars:
    """The encoded groups of one print; each process opens the files that it reads."""

    folder: Path
    print_: str
    _opened: dict[str, Any] = field(default_factory=dict[str, Any], repr=False)

    def group(self, shard: str, key: str, *, tar: str) -> dict[str, Tensor] | None:
        """The tensors of a group by name; None when its shard is not encoded."""
        if shard not in self._opened:
            whole = is_whole(self.folder, shard, self.print_, tar=tar)
            file = sidecar(self.folder, shard, self.print_)
            self._opened[shard] = safe_open(file, "pt").__enter__() if whole else None
        opened = self._opened[shard]
        if opened is None:
            return None
        names = [name for name in opened.keys() if name.startswith(f"{key}/")]  # noqa: SIM118
        return {name.rpartition("/")[2]: opened.get_tensor(name) for name in names} or None
