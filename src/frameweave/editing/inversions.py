"""Inversions kept on the disk: a second edit of the same clip begins where the first one had inverted it.

A trajectory is a raw file of latents and, written last, a JSON file that says what they are. Large
ones are mapped from their file while they are computed and used, so memory does not hold them.
"""

import errno
import hashlib
import json
import os
import re
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO, Literal

import torch
from torch import Tensor

from frameweave.adaptor.adaptor import load_adaptor
from frameweave.diffusion.inversion import Trajectory
from frameweave.diffusion.inversion import digest as latents_digest
from frameweave.editing.adapting import use_of
from frameweave.editing.model_options import OF_AN_ADAPTOR, AdaptorOptions, ModelOptions
from frameweave.editing.options import EditOptions
from frameweave.errors import RunError
from frameweave.models.identity import BY_CONTENT, fingerprint, given_contents, inputs_of, tensors_print
from frameweave.models.loading.device import dtype_name
from frameweave.models.stable_diffusion import StableDiffusion
from frameweave.models.text.syntax import is_plain
from frameweave.models.text.tokenizer import unseen
from frameweave.progress import SILENT
from frameweave.runs.atomic import staged, write_text
from frameweave.runs.cache_folder import Kept, forget_oldest
from frameweave.runs.identity import digest
from frameweave.runs.records import Record

IN_MEMORY = 2**30
"""Bytes up to which an inversion is held in memory; larger ones lie in a file."""
_OF_USE = ("adaptor_strength", "adaptor_schedule", "tokens")  # what comes of them counts
_ALWAYS = ("model", "controlnet", "depth_model", "vision", "dtype", "device", *AdaptorOptions.model_fields)
"""Settings that stand in the table whatever they are; others do where they are not as usual, so that
inversions which were kept before there were such settings stay found."""
_NAME = re.compile(r"[0-9a-f]{64}\.latents")
_DTYPES = {str(kind): kind for kind in (torch.float32, torch.float64, torch.float16, torch.bfloat16)}


def _take_room(file: BinaryIO, size: int) -> None:
    """Make a file that long; raises `OSError` when the disk is too small, where the system tells so early."""
    if hasattr(os, "posix_fallocate"):  # not on macOS
        os.posix_fallocate(file.fileno(), 0, size)
    else:
        file.truncate(size)


def setting_of(model: StableDiffusion, options: EditOptions) -> str:
    """Whatever an inversion depends on besides the clip and what an editor says: model and adaptor."""
    idle = {"adaptor", "prompt_syntax", "low_memory", *BY_CONTENT}
    idle.update(_OF_USE if options.adaptor else OF_AN_ADAPTOR)
    choice = options.choice
    if model.temporal is not None:  # it decodes only: the model's own VAE encodes
        idle.add("vae")
        choice = replace(choice, vae=None)
    usual = {name: one.default for name, one in ModelOptions.model_fields.items()}
    names = {name for name in usual if name in _ALWAYS or getattr(options, name) != usual[name]} - idle
    table: dict[str, Any] = {name: str(getattr(options, name)) for name in names}
    table["dtype"] = dtype_name(model.precision)  # what "auto" has come to
    table["control"] = table.pop("controlnet")  # its earlier name, by which inversions were kept
    none = {name: usual[name] for name in BY_CONTENT}
    others = replace(choice, **none)  # of those it does not matter where they lie
    contents = {name: one.digest for name, one in inputs_of(others).items()}
    table["identity"] = contents.pop("model")  # vocabulary and settings count, also those of no weights
    table |= {f"content of {name}": digest for name, digest in contents.items() if name not in _ALWAYS}
    schedule = model.schedule
    table["schedule"] = [tensors_print({"alpha_bar": schedule.alpha_bar}), schedule.final, schedule.offset]
    table["schedule"] += [schedule.spacing, model.prediction]
    for network in (model.unet, *model.text.networks):
        table[type(network).__name__] = fingerprint(network)
    if model.controls:
        table["controlnet"] = ", ".join(
            control.about(fingerprint(control.network)) for control in model.controls
        )
    if model.image_prompts:  # not of an inversion, but of the null texts that are kept beside it
        table["images"] = [one.about for one in model.image_prompts]
    texts = (options.source_prompt, options.negative_prompt)
    if any(not is_plain(text) or unseen(model.tokenizer, text) for text in texts):
        published = [options.as_published, [one for one in options.set if "as_published" in one]]
        table["read"] = [options.prompt_syntax, *published]  # published programs know no syntax
    table |= given_contents(options.choice, "embedding", "lora")  # of others the loaded networks are above
    if options.adaptor is not None:
        adaptor = load_adaptor(options.adaptor)
        use = use_of(adaptor, options, options.editor, model.schedule.T)
        in_options = "in_inversion"
        table["adaptor"] = {name: value for name, value in use.effect().items() if name != in_options}
        if use.tokens is not None and model.vision_tower is not None:
            table["vision"] = fingerprint(model.vision_tower.network)
    return json.dumps(table, sort_keys=True)


class _Described(Record):
    """What a file of latents is."""

    shape: tuple[int, ...]
    dtype: Literal["torch.float32", "torch.float64", "torch.float16", "torch.bfloat16"]
    timesteps: list[int | float]
    about: str
    sha256: str


@dataclass(eq=False)
class InversionStore:
    """Trajectories in a folder, found by the latents that were inverted and by how.

    `setting` says what else the result depends on: the model and the adaptor. Beyond `most` bytes the files
    used longest ago go. What is damaged is not served; where nothing can be kept, `note` hears of it and the
    work goes on.
    """

    folder: Path
    setting: str
    in_memory: int = IN_MEMORY
    """Bytes up to which a trajectory is held in memory."""
    most: int = 8 * 2**30
    note: Callable[[str], None] = SILENT.note
    _rooms: dict[int, Path] = field(default_factory=dict[int, Path])
    _useless: bool = False
    """Whether it was noted already that nothing can be kept."""

    def room(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        """Memory for a small trajectory, a new file for a large one, if there can be one.

        Raises `RunError` when the disk is too small for it.
        """
        count = int(torch.Size(shape).numel())
        if count * dtype.itemsize <= self.in_memory:
            return torch.empty(shape, dtype=dtype)
        file = self.folder / f".{uuid.uuid4().hex}.latents"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with file.open("wb") as opened:
                _take_room(opened, count * dtype.itemsize)
            tensor = _mapped(file, shape, dtype, new=True)
        except OSError as error:
            with suppress(OSError):
                file.unlink(missing_ok=True)
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise RunError(
                    f"{file}: no room for {count * dtype.itemsize / 2**30:.1f} GiB of latents ({error})",
                    hint="give --cache a folder on a larger disk, or fewer steps",
                ) from error
            self._cannot(error)
            return torch.empty(shape, dtype=dtype)
        self._rooms[tensor.data_ptr()] = file
        return tensor

    def recall(self, x_0: Tensor, about: str) -> Trajectory | None:
        file = self._file(x_0, about)
        described = file.with_suffix(".json")
        try:
            table = _Described.model_validate_json(described.read_bytes())
            if digest(file) != table.sha256:
                return None
            with suppress(OSError):  # a cache that is only read
                os.utime(described)
            return Trajectory(table.timesteps, _mapped(file, table.shape, _DTYPES[table.dtype]))
        except (OSError, ValueError, RuntimeError):
            return None

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
            table = _Described(
                shape=tuple(latents.shape),
                dtype=str(latents.dtype),  # pyright: ignore[reportArgumentType] - it is checked
                timesteps=trajectory.timesteps,
                about=about,
                sha256=digest(file),
            )
            write_text(file.with_suffix(".json"), table.as_json())
            forget_oldest(self._kept(), self.most, newest=file)
        except OSError as error:
            self._cannot(error)

    def _cannot(self, error: OSError) -> None:
        if not self._useless:
            self.note(
                f"{self.folder}: inversions are not kept ({error.strerror}); --cache names another folder"
            )
        self._useless = True

    def _file(self, x_0: Tensor, about: str) -> Path:
        key = hashlib.sha256(f"{self.setting}|{about}|{latents_digest(x_0)}".encode())
        return self.folder / f"{key.hexdigest()}.latents"

    def _kept(self) -> Iterator[Kept]:
        for file in self.folder.glob("*.latents"):
            with suppress(FileNotFoundError):
                if _NAME.fullmatch(file.name):
                    described = file.with_suffix(".json")
                    used = described.stat().st_mtime if described.is_file() else 0.0
                    yield Kept(used, file.stat().st_size, (described, file))


def _mapped(file: Path, shape: tuple[int, ...], dtype: torch.dtype, *, new: bool = False) -> Tensor:
    """Latents in a file; changes reach it only when it is new."""
    count = int(torch.Size(shape).numel())
    if not new and file.stat().st_size != count * dtype.itemsize:
        raise ValueError(f"{file}: no {list(shape)} latents")
    return torch.from_file(str(file), shared=new, size=count, dtype=dtype).view(shape)
