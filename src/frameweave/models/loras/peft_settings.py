"""PEFT's settings of a LoRA: they hold alpha, which its files of tensors lack."""

import json
import math
import re
from pathlib import Path
from typing import cast

from frameweave.errors import ModelFolderError
from frameweave.models.loading.tensor_files import TensorFile
from frameweave.models.loading.weights import json_object

FILE, STEM = "adapter_config.json", "adapter_model"
_WRAPPED = "base_model.model."
"""Before the names of layers in files of PEFT, whose patterns leave it out."""
_OTHER_BASE = ("pissa", "olora", "corda", "loftq")
"""Ways to begin a LoRA that take something out of the model's weights."""
_HEADER = "lora_adapter_metadata"
"""The entry in the header where diffusers keeps them, for each network by its prefix."""


def settings_beside(file: Path) -> Path | None:
    """The file of settings that belongs to a file of PEFT; None where there is none."""
    beside = file.with_name(FILE)
    return beside if file.stem == STEM and beside.is_file() else None


class PeftSettings:
    """Rank and alpha by layer."""

    def __init__(self, table: dict[str, object]) -> None:
        self._table = table

    @classmethod
    def of(cls, file: TensorFile) -> "PeftSettings | None":
        """From a file's header, or from the settings beside it; None where there are none.

        Raises `ModelFolderError` for settings that are not JSON, and for a file of PEFT without any.
        """
        if text := file.header.get(_HEADER):
            try:
                table = cast("dict[str, object]", dict(json.loads(text)))
            except (ValueError, TypeError) as error:
                raise ModelFolderError(
                    f"{file.path}: {_HEADER} in its header is no table ({error})", hint="download it again"
                ) from error
            return cls._checked(file.path, table)
        if file.path.stem != STEM:
            return None
        if beside := settings_beside(file.path):
            return cls._checked(file.path, json_object(beside))
        if any(key.endswith(".alpha") for key in file.tensors):
            return None
        raise ModelFolderError(
            f"{file.path}: {FILE} is not beside it, which tells how strong it is",
            hint="download that too, or rename the file to have it act as if alpha were its rank",
        )

    @classmethod
    def _checked(cls, file: Path, table: dict[str, object]) -> "PeftSettings":
        """Raises `ModelFolderError` for changes to other weights than the model's own."""
        for name, value in table.items():
            if name.rpartition(".")[2] == "init_lora_weights" and str(value).startswith(_OTHER_BASE):
                raise ModelFolderError(
                    f"{file}: {name} is {value!r}: it belongs to weights that PEFT has changed first",
                    hint="convert it to a plain LoRA, as PEFT does with "
                    "save_pretrained(..., path_initial_model_for_weight_conversion=...)",
                )
        return cls(table)

    def scale(self, layer: str, rank: int | None) -> float:
        """By which a layer's change is multiplied; 1 where nothing is said of it.

        Raises `ModelFolderError` for a pattern of layers that is none, and for numbers that are not finite.
        """
        layer = layer.removeprefix(_WRAPPED)
        prefix, _, inside = layer.partition(".")
        own = f"{prefix}." if f"{prefix}.r" in self._table or f"{prefix}.lora_alpha" in self._table else ""
        layer = inside if own else layer
        told = (
            self._by_layer(own, "alpha_pattern", layer),
            self._number(f"{own}lora_alpha"),
            self._number(f"{own}alpha"),
        )
        alpha = next((one for one in told if one is not None), None)  # 0 is none at all, and no gap
        rank = rank or int(self._by_layer(own, "rank_pattern", layer) or self._number(f"{own}r") or 0)
        if alpha is None or not rank:
            return 1.0
        return alpha / (rank**0.5 if self._table.get(f"{own}use_rslora") is True else rank)

    def _number(self, name: str) -> float | None:
        return _finite(name, self._table.get(name))

    def _by_layer(self, own: str, name: str, layer: str) -> float | None:
        """What a table of patterns says of a layer; a pattern may stand for the end of its name."""
        table = self._table.get(f"{own}{name}")
        if not isinstance(table, dict):
            return None
        for pattern, value in cast("dict[str, object]", table).items():
            try:
                meant = re.match(rf"(.*\.)?({pattern})$", layer)
            except re.error as error:
                raise ModelFolderError(
                    f"{name} of the LoRA's settings: {pattern!r} is no pattern ({error})",
                    hint="download it again",
                ) from error
            if meant:
                return _finite(name, value)
        return None


def _finite(name: str, value: object) -> float | None:
    """A number; None for anything else, but not for one that is none."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    if not math.isfinite(value):
        raise ModelFolderError(f"{name} of the LoRA's settings: {value}", hint="download it again")
    return float(value)
