"""Published weights: found, read without running code, refused when they are others."""

import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from frameweave.errors import ModelFolderError
from frameweave.measuring.metrics.backbones.weights import Published, filled

WEIGHTS = Published(
    what="Net",
    patterns=("net*.safetensors", "net*.pth"),
    source="net.pth of somebody",
    aside=(r"^more$",),
)


def test_both_formats_give_the_same(tmp_path: Path) -> None:
    tensors = {"weight": torch.randn(2, 3), "bias": torch.randn(2), "more": torch.zeros(1)}
    one, other = tmp_path / "a", tmp_path / "b"
    one.mkdir(), other.mkdir()
    save_file(tensors, one / "net-1.safetensors")
    torch.save(tensors, other / "net-1.pth")
    for folder in (one, other):
        found, digits = WEIGHTS.read(folder)
        layer = filled(nn.Linear(3, 2), found, WEIGHTS)
        assert torch.equal(layer.weight, tensors["weight"]) and len(digits) == 6
        assert not layer.training and not any(p.requires_grad for p in layer.parameters())


def test_missing_weights_say_what_to_put_where(tmp_path: Path) -> None:
    with pytest.raises(ModelFolderError) as error:
        WEIGHTS.read(tmp_path)
    assert str(tmp_path) in str(error.value) and "net*.pth" in str(error.value)
    assert "net.pth of somebody" in error.value.hint


class Evil:
    """A pickle that would run a command."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return eval, ("open('ran', 'w')",)


@pytest.mark.parametrize("what", ["pickle", "torn", "empty", "list"])
def test_what_is_no_table_of_tensors_is_refused(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "net.pth"
    torch.save([torch.zeros(1)] if what == "list" else {"weight": torch.zeros(9)}, file)
    if what == "pickle":
        file.write_bytes(pickle.dumps({"weight": Evil()}, protocol=2))
    elif what == "torn":
        file.write_bytes(file.read_bytes()[:-200])
    elif what == "empty":
        file.write_bytes(b"")
    with pytest.raises(ModelFolderError):
        WEIGHTS.read(tmp_path)
    assert not (tmp_path / "ran").exists()


def test_other_shapes_and_missing_parts_are_named() -> None:
    with pytest.raises(ModelFolderError, match=r"bias is missing, expected \(2,\)"):
        filled(nn.Linear(3, 2), {"weight": torch.zeros(2, 3)}, WEIGHTS)
    with pytest.raises(ModelFolderError, match=r"weight is of shape \(3, 3\)"):
        filled(nn.Linear(3, 2), {"weight": torch.zeros(3, 3), "bias": torch.zeros(2)}, WEIGHTS)
    with pytest.raises(ModelFolderError, match="lin.weight belongs to no Net"):
        filled(nn.Linear(3, 2), dict(nn.Linear(3, 2).state_dict()) | {"lin.weight": torch.zeros(1)}, WEIGHTS)
