"""Checkpoints of a training run: `step-00001234/` with `state.safetensors` and `state.json`.

Each is written whole or not at all, and read only when its checksums are right.
"""

import json
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import JsonValue
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from frameweave import __version__
from frameweave.errors import DataError, RunError
from frameweave.progress import SILENT
from frameweave.runs.atomic import stage_of, staged, verify
from frameweave.runs.records import Record

TENSORS, RECORD = "state.safetensors", "state.json"
_NAME = re.compile(r"step-\d{8,}")
_FREE = ("steps", "tokens_steps", "depth_steps")  # may differ between a run and its continuation


@dataclass(frozen=True)
class Checkpoint:
    """The state after `step` optimiser steps."""

    step: int
    tensors: dict[str, Tensor]
    settings: Mapping[str, object] | None = None
    scaler: dict[str, int | float] = field(default_factory=dict[str, int | float])
    """Of the gradient scaler; empty without one."""


class _State(Record):
    """What stands beside the tensors."""

    step: int
    settings: dict[str, JsonValue] | None
    scaler: dict[str, int | float]
    """Whole numbers stay whole: the scaler refuses others."""


def save(folder: Path, checkpoint: Checkpoint, keep: int = 2) -> Path:
    """Write a checkpoint, then delete all but the last `keep` and what a killed writer left behind.

    Raises `RunError` when the disk refuses, e.g. because it is full; earlier checkpoints stay.
    """
    target = folder / f"step-{checkpoint.step:08d}"
    record = {
        "step": checkpoint.step,
        "frameweave": __version__,
        "settings": checkpoint.settings,
        "scaler": checkpoint.scaler,
    }
    try:
        with staged(target) as stage:
            stage.mkdir()
            save_file(checkpoint.tensors, stage / TENSORS)
            (stage / RECORD).write_text(json.dumps(record, indent=1, default=str), encoding="utf-8")
    except (OSError, SafetensorError) as error:
        raise RunError(
            f"{target}: the checkpoint cannot be written ({error})",
            hint="the earlier checkpoint is intact; free some room and start again to go on from it",
        ) from error
    older = [path for path in checkpoints(folder) if path.name <= target.name]
    killed = [path for path in folder.glob(".*-step-*") if _NAME.fullmatch(stage_of(path) or "")]
    for path in (*older[:-keep], *killed):
        shutil.rmtree(path)
    return target


def latest(folder: Path, *, note: Callable[[str], None] = SILENT.note) -> Path | None:
    """The newest whole checkpoint, or None when there are none; `note` hears of each torn one.

    Raises `RunError` when there are checkpoints and all are torn.
    """
    torn: list[str] = []
    for path in reversed(checkpoints(folder)):
        problems = verify(path)
        if not problems:
            return path
        torn.append(f"{path}: skipped ({', '.join(problems)})")
        note(torn[-1])
    if torn:
        raise RunError(
            f"{'; '.join(torn)}; no other checkpoint is whole", hint="delete the folder to start afresh"
        )
    return None


def read(path: Path, settings: Mapping[str, object] | None = None) -> Checkpoint:
    """Read a checkpoint.

    Raises `RunError` when it was made with other settings than the given ones, or holds something else.
    """
    try:
        record = _State.from_json(json.loads((path / RECORD).read_bytes()), where=f"{path / RECORD}: ")
        tensors = load_file(path / TENSORS)
    except (OSError, ValueError, RecursionError, SafetensorError, DataError) as error:
        raise RunError(f"{path}: no checkpoint ({error})", hint="remove it, or train anew") from error
    before = record.settings
    if settings is not None and before is not None:
        now = json.loads(json.dumps(settings, default=str))
        changed = [
            f"{key} was {json.dumps(before.get(key))} and is {json.dumps(now.get(key))}"
            for key in sorted(now.keys() | before.keys())
            if key not in _FREE and now.get(key) != before.get(key)
        ]
        if changed:
            raise RunError(
                f"{path}: training cannot go on with changed settings ({'; '.join(changed)})",
                hint="give the old settings, or another folder",
            )
    return Checkpoint(record.step, tensors, before, record.scaler)


def checkpoints(folder: Path) -> list[Path]:
    """All of them, whole or torn, the oldest first."""
    return sorted(path for path in folder.glob("step-*") if _NAME.fullmatch(path.name) and path.is_dir())
