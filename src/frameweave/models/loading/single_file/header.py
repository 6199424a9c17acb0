"""What a safetensors file says of itself before a tensor of it is read: names, shapes, types, notes."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open

from frameweave.errors import ModelFolderError
from frameweave.models.loading.beginnings import unreadable
from frameweave.models.loading.weights import check_whole_numbers, refuse_pickle

_PIECE = re.compile(r"-\d{5}-of-\d{5}\.safetensors$")


@dataclass(frozen=True)
class Header:
    """Of one file."""

    file: Path
    shapes: Mapping[str, tuple[int, ...]]
    notes: Mapping[str, str]

    @classmethod
    def read(cls, file: Path) -> "Header":
        """Raises `ModelFolderError` for what is no whole safetensors file, and for quantised weights."""
        refuse_pickle(file)
        if _PIECE.search(file.name):
            raise ModelFolderError(
                f"{file}: one of several files that hold a network together",
                hint="give the whole folder, or a checkpoint in one file",
            )
        try:
            with safe_open(file, "pt") as opened:
                slices = {name: opened.get_slice(name) for name in opened.keys()}  # noqa: SIM118
                shapes = {name: tuple(one.get_shape()) for name, one in slices.items()}
                types = {name: str(one.get_dtype()) for name, one in slices.items()}
                notes = dict(opened.metadata() or {})
        except (SafetensorError, OSError) as error:
            raise unreadable(file, error) from error
        # counters of a training are single numbers
        read = [name for name in types if shapes[name] and not name.startswith("model_ema.")]
        check_whole_numbers(file, {name: types[name] for name in read})
        return cls(file, shapes, notes)

    def starting(self, prefix: str) -> set[str]:
        """The names that start so."""
        return {name for name in self.shapes if name.startswith(prefix)}
