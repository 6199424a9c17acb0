"""What tells models of the same name apart."""

import shutil
from pathlib import Path

import pytest
import torch
from torch import nn

from frameweave.errors import ModelFolderError
from frameweave.models.identity import fingerprint, identity


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
