"""What tells models from others of the same name: their weights and settings."""

import hashlib
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from frameweave.models.loading import located
from frameweave.runs.identity import contents

_READ = (".safetensors", ".json", ".txt")
_APART = ("judge",)  # of the packaged model: what measures edits, and makes none


def identity(name: str | None) -> str:
    """The SHA-256 of a model folder's weights and settings; a hub id stands for itself, no name for none.

    Raises `ModelFolderError` for what is neither a folder nor like a hub id.
    """
    if name is None:
        return ""
    _, folder = located(name)
    if folder is None:
        return name
    parts = (path for path in folder.rglob("*") if path.suffix in _READ and path.is_file())
    return contents(folder, (path for path in parts if path.relative_to(folder).parts[0] not in _APART))


def fingerprint(network: nn.Module) -> str:
    """SHA-256 of a network's weights and their names."""
    return tensors_print(network.state_dict())


def tensors_print(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 of tensors and their names."""
    digest = hashlib.sha256()
    for name, tensor in tensors.items():
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
