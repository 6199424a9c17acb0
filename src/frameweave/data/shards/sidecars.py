"""Encoded groups beside their shard: `train-000003.<print>.safetensors`, a file for each encoder.

The print names the encoding networks and the pictures' size, so that a sidecar is never taken for
another model's; the tar's sum is kept inside, so that it is never taken for another tar's.
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from frameweave.data.shards.open_files import MOST_OPEN
from frameweave.runs.atomic import staged

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
