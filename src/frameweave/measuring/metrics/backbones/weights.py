"""Published weights in a folder: found by their usual names, read without running code."""

import pickle
import re
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from frameweave.errors import ModelFolderError
from frameweave.runs.atomic import sha256

_NAMED = 3  # tensors that an error names


@dataclass(frozen=True, kw_only=True)
class Published:
    """Weights that somebody published: how their file is called, and where people get it."""

    what: str
    patterns: tuple[str, ...]
    source: str
    aside: tuple[str, ...] = ()
    """Patterns of tensors that the file has too and that are not used."""

    def file(self, folder: Path) -> Path:
        """The file in a folder. Raises `ModelFolderError` when it is missing, and says how to get it."""
        for pattern in self.patterns:
            if found := sorted(folder.glob(pattern)):
                return found[0]
        raise ModelFolderError(
            f"{folder}: no weights of {self.what} ({' or '.join(self.patterns)})",
            hint=f"put {self.source} there, or name another folder with --weights",
        )

    def read(self, folder: Path) -> tuple[dict[str, Tensor], str]:
        """The tensors by name, and the first digits of the file's SHA-256.

        A .pth file is read by torch's restricted reader, which knows tensors only. Raises `ModelFolderError`
        for a missing, damaged or unsafe file.
        """
        file = self.file(folder)
        try:
            if file.suffix == ".safetensors":
                tensors = load_file(file)
            else:
                tensors = torch.load(file, map_location="cpu", weights_only=True)
        except (SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError, OSError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise ModelFolderError(
                f"{file}: damaged, or more than tensors ({reason})", hint=f"get {self.source} again"
            ) from error
        if not isinstance(tensors, dict) or not all(isinstance(x, Tensor) for x in tensors.values()):
            raise ModelFolderError(f"{file}: not a table of tensors", hint=f"get {self.source} again")
        return tensors, sha256(file)[:6]


def filled(network: nn.Module, tensors: dict[str, Tensor], published: Published) -> nn.Module:
    """The network with those weights, for inference.

    Raises `ModelFolderError` for tensors that are missing, have another shape, or belong to another network.
    """
    wanted = {
        name: place
        for name, place in network.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    wrong: list[str] = []
    for name, place in wanted.items():
        found = tensors.get(name)
        if found is None or found.shape != place.shape:
            shape = "missing" if found is None else f"of shape {tuple(found.shape)}"
            wrong.append(f"{name} is {shape}, expected {tuple(place.shape)}")
    aside = (*published.aside, r"num_batches_tracked$")
    others = (name for name in tensors if name not in wanted)
    wrong += [
        f"{name} belongs to no {published.what}"
        for name in others
        if not any(re.search(pattern, name) for pattern in aside)
    ]
    if wrong:
        rest = f" and {len(wrong) - _NAMED} more" if len(wrong) > _NAMED else ""
        raise ModelFolderError(
            f"weights of {published.what}: {', '.join(wrong[:_NAMED])}{rest}", hint=f"get {published.source}"
        )
    network.load_state_dict({name: tensors[name] for name in wanted}, strict=False)
    return network.eval().requires_grad_(False)
