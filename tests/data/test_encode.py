"""Encoded shards: training takes them, with the very tensors that it would have computed."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from frameweave.data.encode import encode
from frameweave.data.options import EncodeOptions
from frameweave.errors import DataError
from frameweave.progress import SILENT
from frameweave.training.options import TrainOptions
from frameweave.training.stages import Workshop
from original_layout import save_original, vae_tensors
from prepared import a_dataset


@pytest.fixture
def options(tiny_folder: Path) -> EncodeOptions:
    return EncodeOptions(model=str(tiny_folder), device="cpu")


def test_training_takes_what_was_encoded(
    options: EncodeOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = a_dataset(tmp_path)
    training = TrainOptions(
        model=options.model, device="cpu", data=str(folder), frames=2, out=tmp_path / "run"
    )
    own = Workshop(training, SILENT)
    expected = [own.train_groups[index] for index in range(6)] + [own.held_out_groups[0]]
    done = encode(folder, options)
    assert (done["written"], done["shards"]) == (3, 3)
    other = Workshop(training.replaced(out=tmp_path / "other"), SILENT)
    monkeypatch.setattr(type(other.train_groups), "encoded", None)
    found = [other.train_groups[index] for index in range(6)] + [other.held_out_groups[0]]
    for a, b in zip(found, expected, strict=True):
        assert a.captions == b.captions
        for name in ("mean", "std", "depth", "vision"):
            assert torch.equal(getattr(a, name), getattr(b, name)), name
    assert not (tmp_path / "other" / "cache").exists()


def test_only_what_is_missing_is_written_and_other_models_are_others(
    options: EncodeOptions, tmp_path: Path
) -> None:
    folder = a_dataset(tmp_path)
    first = encode(folder, options)
    assert encode(folder, options)["written"] == 0
    (folder / f"test-000000.{first['print']}.safetensors").write_bytes(b"torn")
    assert encode(folder, options)["written"] == 1
    squashed = encode(folder, options.replaced(resize="squash"))
    assert squashed["print"] != first["print"] and squashed["written"] == 3


def test_a_single_file_encodes_as_its_folder_and_another_vae_otherwise(
    options: EncodeOptions, tiny_folder: Path, tmp_path: Path
) -> None:
    folder = a_dataset(tmp_path)
    first = encode(folder, options)
    file = save_original(tiny_folder, tmp_path / "model.safetensors")
    beside = {"vision": str(tiny_folder / "clip"), "depth_model": str(tiny_folder / "depth_estimator")}
    alone = options.replaced(model=str(file), config=str(tiny_folder), **beside)
    assert encode(folder, alone) == first | {"written": 0}
    tensors = {name: 2 * tensor for name, tensor in vae_tensors(tiny_folder).items()}
    save_file(tensors, tmp_path / "vae.safetensors")
    assert encode(folder, options.replaced(vae=str(tmp_path / "vae.safetensors")))["written"] == 3


def test_a_sidecar_of_another_tar_is_not_taken(options: EncodeOptions, tmp_path: Path) -> None:
    a, b = a_dataset(tmp_path / "a"), a_dataset(tmp_path / "b", clips=4)
    print_ = encode(a, options)["print"]
    name = f"train-000000.{print_}.safetensors"
    (b / name).write_bytes((a / name).read_bytes())
    assert encode(b, options)["written"] == 2
    with pytest.raises(DataError, match="no data set"):
        encode(tmp_path, options)


def test_a_sidecar_with_damaged_tensors_is_made_anew(options: EncodeOptions, tmp_path: Path) -> None:
    folder = a_dataset(tmp_path)
    print_ = encode(folder, options)["print"]
    file = folder / f"train-000000.{print_}.safetensors"
    whole = file.read_bytes()
    file.write_bytes(whole[:-40] + bytes(40))
    assert encode(folder, options)["written"] == 1 and file.read_bytes() == whole


@pytest.mark.parametrize("damage", ["cut", "empty", "flipped", "renamed", "other"])
def test_a_damaged_entry_of_the_cache_is_encoded_anew(
    damage: str, options: EncodeOptions, tmp_path: Path
) -> None:
    training = TrainOptions(
        model=options.model, device="cpu", data=str(a_dataset(tmp_path)), frames=2, out=tmp_path / "run"
    )
    first = Workshop(training, SILENT).train_groups[0]
    [file] = (tmp_path / "run" / "cache").rglob("*.safetensors")
    whole = file.read_bytes()
    file.write_bytes(
        {
            "cut": whole[:-100],
            "empty": b"",
            "flipped": whole[:-9] + bytes([whole[-9] ^ 1]) + whole[-8:],
            "renamed": whole.replace(b'"mean"', b'"meen"'),
            "other": b"no safetensors at all",
        }[damage]
    )
    again = Workshop(training, SILENT).train_groups[0]
    assert torch.equal(again.mean, first.mean) and torch.equal(again.vision, first.vision)
    assert again.captions == first.captions and file.read_bytes() == whole
