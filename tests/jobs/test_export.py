"""Export: every file is there and says the same; verify: passes on it, and fails when a file was changed."""

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from frameweave.errors import AdaptorMismatch, CheckFailed, ModelFolderError, RunError
from frameweave.jobs.export import WORKFLOW_FILE, export
from frameweave.jobs.options import ExportOptions, VerifyOptions
from frameweave.jobs.verify import verify
from frameweave.model.adaptor import FILE, Adaptor
from frameweave.model.formats import DIFFUSERS_FILE, KOHYA_FILE


@pytest.fixture
def saved(adaptor: Adaptor, tmp_path: Path) -> Path:
    adaptor.save(tmp_path / "saved")
    return tmp_path / "saved"


def test_export_writes_every_layout_and_a_workflow(saved: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = export(str(saved), ExportOptions(out=out, sampler="ddim", steps=50, strength=0.7))
    assert sorted(path.name for path in out.iterdir()) == sorted(
        [FILE, DIFFUSERS_FILE, KOHYA_FILE, WORKFLOW_FILE]
    )
    assert done.a1111 == "<lora:kohya:0.7@0,0.7@0.099,0@0.1>"  # 5 of 50 steps
    workflow = json.loads((out / WORKFLOW_FILE).read_text())
    (hook,) = [node["inputs"] for node in workflow.values() if node["class_type"] == "CreateHookLora"]
    assert hook["lora_name"] == KOHYA_FILE
    assert hook["strength_model"] == 0.7
    with safe_open(out / KOHYA_FILE, "pt") as file:
        assert file.metadata()["modelspec.timestep_range"] == "900,999"
    with pytest.raises(RunError, match="is there already; give another --out"):
        export(str(saved), ExportOptions(out=out))


def test_an_adaptor_of_tokens_alone_is_refused(adaptor: Adaptor, tmp_path: Path) -> None:
    Adaptor({}, adaptor.tokens, adaptor.card).save(tmp_path)
    with pytest.raises(AdaptorMismatch, match="holds tokens and no LoRA"):
        export(str(tmp_path), ExportOptions(out=tmp_path / "out"))


def checked(folder: Path, model: Path) -> dict[str, float]:
    rows = verify(str(folder), VerifyOptions(model=str(model), device="cpu", steps=20))
    return {row.check: row.max_difference for row in rows}


def test_verify_compares_every_layout_and_a_stock_picture(saved: Path, tiny_folder: Path) -> None:
    found = checked(saved, tiny_folder)
    assert sum("picture" in check for check in found) == 2
    for layout in ("native", "diffusers", "kohya"):
        assert f"{layout}: UNet inside the window" in found
        assert found[f"{layout}: UNet outside the window"] == 0


@pytest.mark.parametrize("name", [DIFFUSERS_FILE, KOHYA_FILE])
def test_verify_finds_a_changed_file(saved: Path, tiny_folder: Path, name: str) -> None:
    tensors = load_file(saved / name)
    key = next(key for key in tensors if key.endswith(("lora_B.weight", "lora_up.weight")))
    tensors[key] = tensors[key] + torch.full_like(tensors[key], 0.5)
    save_file(tensors, saved / name)
    with pytest.raises(
        CheckFailed, match=r"comparisons failed, first (diffusers|kohya): weights in the file"
    ):
        checked(saved, tiny_folder)
    (saved / name).write_bytes(b"torn")
    with pytest.raises(ModelFolderError, match="damaged"):
        checked(saved, tiny_folder)
