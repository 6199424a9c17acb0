"""What tells models of the same name apart."""

import shutil
from pathlib import Path

import pytest
import torch
from torch import nn

from frameweave.errors import ModelFolderError
from frameweave.models.identity import fingerprint, identity, inputs_of
from frameweave.models.loading.choice import ModelChoice


def test_a_folder_is_its_weights_and_settings(tiny_folder: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(tiny_folder, tmp_path / "another name"))
    first = identity(str(tiny_folder))
    assert identity(str(copy)) == first
    (copy / "notes.md").write_text("nothing that is read")
    assert identity(str(copy)) == first
    config = copy / "unet" / "config.json"
    config.write_text(config.read_text() + " ")
    assert identity(str(copy)) != first


def test_what_is_no_folder_stands_for_itself() -> None:
    assert identity(None) == ""
    assert identity("owner/name") == "owner/name"
    assert len(identity("miniature")) == 64
    with pytest.raises(ModelFolderError, match="no such folder"):
        identity("nowhere")


def test_a_single_file_is_its_content(tmp_path: Path) -> None:
    file, other = tmp_path / "one.safetensors", tmp_path / "other name.safetensors"
    file.write_bytes(b"weights")
    other.write_bytes(b"weights")
    assert identity(str(file)) == identity(str(other))
    other.write_bytes(b"other weights")
    assert identity(str(file)) != identity(str(other))
    with pytest.raises(ModelFolderError, match="a pickle"):
        (tmp_path / "one.ckpt").write_bytes(b"weights")
        identity(str(tmp_path / "one.ckpt"))


def test_all_that_a_choice_names_counts(tiny_folder: Path, tmp_path: Path) -> None:
    """By content, where it lies here; the names of known settings and of hub ids stand for themselves."""
    file = tmp_path / "vae.safetensors"
    file.write_bytes(b"weights")
    choice = ModelChoice(model=str(tiny_folder), config="sd1.5", vae=str(file), vision="owner/name")
    found = inputs_of(choice, depth_model=None)
    assert {name: one.path for name, one in found.items()} == {
        "model": tiny_folder,
        "config": None,
        "vae": file,
        "vision": None,
    }
    assert (found["config"].digest, found["vision"].digest) == ("sd1.5", "owner/name")
    assert found["vae"].digest == identity(str(file))
    with pytest.raises(ModelFolderError, match="no such folder"):
        inputs_of(ModelChoice(vae="nowhere"))


def test_the_judge_of_edits_makes_none(tmp_path: Path) -> None:
    for part in ("unet", "judge"):
        (tmp_path / part).mkdir()
        (tmp_path / part / "config.json").write_text("{}")
    (tmp_path / "model_index.json").write_text("{}")
    first = identity(str(tmp_path))
    (tmp_path / "judge" / "config.json").write_text("{ }")
    assert identity(str(tmp_path)) == first
    (tmp_path / "unet" / "config.json").write_text("{ }")
    assert identity(str(tmp_path)) != first


def test_a_network_is_its_weights_and_their_names() -> None:
    one, other = nn.Linear(2, 2), nn.Linear(2, 2)
    other.load_state_dict(one.state_dict())
    assert fingerprint(one) == fingerprint(other)
    assert fingerprint(nn.Sequential(one)) != fingerprint(one)
    with torch.no_grad():
        other.bias += 1
    assert fingerprint(one) != fingerprint(other)
