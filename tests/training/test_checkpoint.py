"""Checkpoints: the newest whole one is read, changed settings and full disks are told."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from frameweave.errors import RunError
from frameweave.training import checkpoint
from frameweave.training.checkpoint import Checkpoint


def state(step: int, **settings: object) -> Checkpoint:
    return Checkpoint(step, {"w": torch.full((3,), float(step))}, settings)


def test_only_the_newest_are_kept_and_the_newest_is_read(tmp_path: Path) -> None:
    for step in (1, 2, 3):
        checkpoint.save(tmp_path, state(step), keep=2)
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["step-00000002", "step-00000003"]
    path = checkpoint.latest(tmp_path)
    assert path is not None
    assert checkpoint.read(path).tensors["w"].tolist() == [3.0] * 3


def test_a_torn_checkpoint_is_skipped_and_named(tmp_path: Path) -> None:
    for step in (1, 2):
        checkpoint.save(tmp_path, state(step))
    (tmp_path / "step-00000002" / "state.safetensors").write_bytes(b"torn")
    said: list[str] = []
    path = checkpoint.latest(tmp_path, note=said.append)
    assert path is not None
    assert path.name == "step-00000001"
    assert "step-00000002: skipped (state.safetensors has changed)" in said[0]
    (path / "state.json").unlink()
    with pytest.raises(RunError, match="no other checkpoint is whole"):
        checkpoint.latest(tmp_path)


def test_changed_settings_are_named_but_steps_may_grow(tmp_path: Path) -> None:
    path = checkpoint.save(tmp_path, state(1, rank=4, steps=10, seed=0))
    assert checkpoint.read(path, {"rank": 4, "steps": 20, "seed": 0}).step == 1
    with pytest.raises(RunError, match=r"rank was 4 and is 8; seed was 0 and is 1"):
        checkpoint.read(path, {"rank": 8, "steps": 10, "seed": 1})


def test_a_full_disk_leaves_the_earlier_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint.save(tmp_path, state(1))

    def full(tensors: dict[str, torch.Tensor], path: Path) -> None:
        save_file(tensors, path)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint, "save_file", full)
    with pytest.raises(RunError, match="No space left.*earlier checkpoint is intact"):
        checkpoint.save(tmp_path, state(2))
    path = checkpoint.latest(tmp_path)
    assert path is not None
    assert checkpoint.read(path).step == 1
    assert [entry.name for entry in tmp_path.iterdir()] == ["step-00000001"]
