"""Inversions kept on the disk: a second edit of the same clip begins where the first one had inverted it.

A trajectory is a raw file of latents and, written last, a JSON file that says what they are. Large
ones are mapped from their file while they are computed and used, so memory does not hold them.
"""

import hashlib
import json
import os
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

from frameweave.adaptor.adaptor import load_adaptor
from frameweave.diffusion.inversion import Trajectory, digest
from frameweave.editing.adapting import use_of
from frameweave.editing.options import OF_AN_ADAPTOR, EditOptions, ModelOptions
from frameweave.errors import RunError
from frameweave.models.identity import fingerprint
from frameweave.models.stable_diffusion import StableDiffusion
from frameweave.runs.atomic import staged

_OF_USE = ("adaptor_strength", "adaptor_schedule", "tokens")  # what comes of them counts
_DTYPES = {str(kind): kind for kind in (torch.float32, torch.float64, torch.float16, torch.bfloat16)}


def _take_room(file: BinaryIO, size: int) -> None:
    """Make a file that long; raises `OSError` when the disk is too small, where the system tells so early."""
    if hasattr(os, "posix_fallocate"):  # not on macOS
        os.posix_fallocate(file.fileno(), 0, size)
    else:
        file.truncate(size)


def setting_of(model: StableDiffusion, options: EditOptions) -> str:
    """Whatever an inversion depends on besides the clip and what an editor says: weights and adaptor."""
    idle = {"adaptor", *(_OF_USE if options.adaptor else OF_AN_ADAPTOR)}
    names = ModelOptions.model_fields.keys() - idle
    table: dict[str, Any] = {name: str(getattr(options, name)) for name in names}
    table["control"] = table.pop("controlnet")  # its earlier name, by which inversions were kept
    for network in (model.unet, model.text_encoder):
        table[type(network).__name__] = fingerprint(network)
    if model.controlnet is not None:
        table["controlnet"] = fingerprint(model.controlnet)
    if options.adaptor is not None:
        adaptor = load_adaptor(options.adaptor)
        use = use_of(adaptor, options, options.editor, model.schedule.T)
        in_options = "in_inversion"
        table["adaptor"] = {name: value for name, value in use.effect().items() if name != in_options}
        if use.tokens is not None and model.vision_tower is not None:
            table["vision"] = fingerprint(model.vision_tower.network)
    return json.dumps(table, sort_keys=True)


@dataclass(eq=False)
class InversionStore:
    """Trajectories in a folder, found by the latents that were inverted and by how.

    `setting` says what else the result depends on: the model's weights and the adaptor. Beyond
    `most` bytes the files used longest ago go.
    """

    folder: Path
    setting: str
    in_memory: int = 2**30
    """Bytes up to which a trajectory is held in memory."""
    most: int = 8 * 2**30
    _rooms: dict[int, Path] = field(default_factory=dict[int, Path])

    def room(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        """Memory for a small trajectory, a new file for a large one."""
        count = int(torch.Size(shape).numel())
        if count * dtype.itemsize <= self.in_memory:
            return torch.empty(shape, dtype=dtype)
        file = self.folder / f".{uuid.uuid4().hex}.latents"
        tensor = self._mapped(file, count, dtype, new=True).view(shape)
        self._rooms[tensor.data_ptr()] = file
        return tensor

    def recall(self, x_0: Tensor, about: str) -> Trajectory | None:
        file = self._file(x_0, about)
        described = file.with_suffix(".json")
        if not described.is_file():
            return None
        table = json.loads(described.read_text())
        shape, dtype = tuple(table["shape"]), _DTYPES[table["dtype"]]
        count = int(torch.Size(shape).numel())
        if not file.is_file() or file.stat().st_size != count * dtype.itemsize:
            return None
        os.utime(file)
        return Trajectory(table["timesteps"], self._mapped(file, count, dtype).view(shape))

    def keep(self, trajectory: Trajectory, about: str) -> None:
        latents = trajectory.latents
        file = self._file(trajectory.x_0, about)
        mapped = self._rooms.pop(latents.data_ptr(), None)
        try:
            if mapped is not None:
                mapped.replace(file)
            else:
                with staged(file) as stage:
                    stage.write_bytes(latents.contiguous().view(torch.uint8).numpy().tobytes())
            table = {
                "shape": list(latents.shape),
                "dtype": str(latents.dtype),
                "timesteps": trajectory.timesteps,
                "about": about,
            }
            with staged(file.with_suffix(".json")) as stage:
                stage.write_text(json.dumps(table))
        except OSError as error:
            raise RunError(
                f"{self.folder}: the inversion cannot be kept ({error.strerror})",
                hint="give --cache another folder, or --no-use-cache",
            ) from error
        self._tidy(file)

    def _file(self, x_0: Tensor, about: str) -> Path:
        key = hashlib.sha256(f"{self.setting}|{about}|{digest(x_0)}".encode())
        return self.folder / f"{key.hexdigest()}.latents"

    def _mapped(self, file: Path, count: int, dtype: torch.dtype, *, new: bool = False) -> Tensor:
        """Changes reach the file only when it is new."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            if new:
                with file.open("wb") as opened:
                    _take_room(opened, count * dtype.itemsize)
            return torch.from_file(str(file), shared=new, size=count, dtype=dtype)
        except (OSError, RuntimeError) as error:
            raise RunError(
                f"{file}: no room for {count * dtype.itemsize / 2**30:.1f} GiB of latents ({error})",
                hint="give --cache a folder on a larger disk, or fewer steps",
            ) from error

    def _tidy(self, newest: Path) -> None:
        files = sorted(self.folder.glob("[!.]*.latents"), key=lambda file: -file.stat().st_mtime)
        total = 0
        for file in files:
            total += file.stat().st_size
            if total > self.most and file != newest:
                file.with_suffix(".json").unlink(missing_ok=True)
                file.unlink(missing_ok=True)
