"""Verification passes what was saved, and fails for a file that says something else."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from frameweave.adaptor import verify as job
from frameweave.adaptor.adaptor import FILE, Adaptor
from frameweave.adaptor.formats import DIFFUSERS_FILE, KOHYA_FILE
from frameweave.adaptor.options import VerifyOptions
from frameweave.adaptor.pipeline import windowed
from frameweave.adaptor.strengths import StrengthSchedule
from frameweave.adaptor.verify import Comparison, verify
from frameweave.errors import AdaptorMismatch, CheckFailed, InputError, ModelFolderError
from frameweave.models.stable_diffusion import StableDiffusion
from original_layout import save_original
from tiny import new_adaptor

OPTIONS = VerifyOptions(device="cpu", steps=10, guidance=3.0)


@pytest.fixture
def folder(tiny: StableDiffusion, tiny_folder: Path, tmp_path: Path) -> Path:
    new_adaptor(tiny, rank=4, alpha=6.0, base=str(tiny_folder)).save(tmp_path)
    return tmp_path


def compared(folder: Path) -> dict[str, Comparison]:
    return {row.check: row for row in verify(str(folder), OPTIONS)}


def test_what_was_saved_is_the_same_everywhere(folder: Path) -> None:
    rows = compared(folder)
    assert list(rows) == [
        "native: UNet inside the window",
        "native: UNet outside the window",
        *(
            f"{layout}: {what}"
            for layout in ("diffusers", "kohya")
            for what in (
                "weights in the file",
                "UNet inside the window",
                "UNet outside the window",
                "picture of the stock pipeline",
            )
        ),
    ]
    assert all(row.max_difference <= row.tolerance for row in rows.values())
    assert rows["native: UNet outside the window"].max_difference == 0


def test_without_layouts_fresh_ones_are_checked(folder: Path) -> None:
    for file in (DIFFUSERS_FILE, KOHYA_FILE):
        (folder / file).unlink()
    assert len(compared(folder)) == 10
    assert [path.name for path in folder.iterdir()] == [FILE]


def test_folders_of_half_precision_files_are_compared_too(
    folder: Path, tiny_folder: Path, tmp_path: Path
) -> None:
    model = tmp_path / "half"
    shutil.copytree(tiny_folder, model)
    for part in ("vae", "unet", "text_encoder"):
        for file in (model / part).glob("*.safetensors"):
            file.rename(file.with_suffix(".fp16.safetensors"))
    assert len(list(verify(str(folder), OPTIONS.replaced(model=str(model))))) == 10


@pytest.mark.filterwarnings("ignore::FutureWarning")  # diffusers wants the folder written again
def test_folders_of_before_diffusers_0_9_are_compared_too(
    folder: Path, tiny_folder: Path, tmp_path: Path
) -> None:
    """Of these the pipeline takes other sizes of latents and other timesteps than the folder says."""
    model = tmp_path / "old"
    shutil.copytree(tiny_folder, model)
    changes: list[tuple[str, dict[str, object]]] = [
        ("unet/config.json", {"_diffusers_version": "0.8.0"}),
        ("scheduler/scheduler_config.json", {"_diffusers_version": "0.8.0", "steps_offset": 0}),
    ]
    for name, changed in changes:
        (model / name).write_text(json.dumps(json.loads((model / name).read_text()) | changed))
    assert len(list(verify(str(folder), OPTIONS.replaced(model=str(model))))) == 10


@pytest.mark.parametrize(("file", "layout"), [(DIFFUSERS_FILE, "diffusers"), (KOHYA_FILE, "kohya")])
def test_a_changed_weight_is_found(folder: Path, file: str, layout: str) -> None:
    tensors = load_file(folder / file)
    key = next(key for key in tensors if key.endswith(("lora_B.weight", "lora_up.weight")))
    tensors[key][0, 0] += 5
    save_file(tensors, folder / file)
    found: list[str] = []
    with pytest.raises(CheckFailed, match=f"first {layout}: weights in the file") as caught:
        found.extend(r.check for r in verify(str(folder), OPTIONS) if r.max_difference > r.tolerance)
    assert found[:2] == [f"{layout}: weights in the file", f"{layout}: UNet inside the window"]
    assert caught.value.exit_code == 1


def test_a_changed_alpha_is_found(folder: Path) -> None:
    tensors = load_file(folder / KOHYA_FILE)
    for key in tensors:
        if key.endswith(".alpha"):
            tensors[key] /= 2
    save_file(tensors, folder / KOHYA_FILE)
    with pytest.raises(CheckFailed, match="first kohya: weights"):
        compared(folder)


def test_a_pipeline_that_ignores_the_window_is_found(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    everywhere = StrengthSchedule.parse("0-1:0.5")
    monkeypatch.setattr(
        job,
        "windowed",
        lambda pipeline, use, **more: windowed(pipeline, replace(use, strengths=everywhere), **more),
    )
    with pytest.raises(CheckFailed, match="2 comparisons failed, first diffusers: picture"):
        compared(folder)


def test_what_cannot_be_compared_is_told(folder: Path, adaptor: Adaptor) -> None:
    tensors = load_file(folder / KOHYA_FILE)
    tensors.pop(next(key for key in tensors if key.endswith(".lora_up.weight")))
    save_file(tensors, folder / KOHYA_FILE)
    with pytest.raises(AdaptorMismatch, match=r"kohya: weights in the file: \d+ tensors, the adaptor has"):
        compared(folder)
    (folder / KOHYA_FILE).write_bytes(b"torn")
    with pytest.raises(ModelFolderError, match=r"kohya.safetensors: damaged"):
        compared(folder)
    Adaptor({}, adaptor.tokens, adaptor.card).save(folder)
    with pytest.raises(AdaptorMismatch, match="holds no LoRA"):
        compared(folder)


def test_another_architecture_is_named(folder: Path, tiny: StableDiffusion, tiny_folder: Path) -> None:
    good = new_adaptor(tiny, base=str(tiny_folder))
    replace(good, card=replace(good.card, architecture="320-640 x 768")).save(folder)
    with pytest.raises(AdaptorMismatch, match=r"UNet 320-640 x 768\), the model's UNet is 8-16 x 16"):
        compared(folder)


def test_a_single_file_and_another_vae_are_compared_too(
    folder: Path, tiny_folder: Path, tmp_path: Path
) -> None:
    file = save_original(tiny_folder, tmp_path / "model.safetensors")
    for named in ({"model": str(file), "config": str(tiny_folder)}, {"vae": str(file)}):
        assert len(list(verify(str(folder), OPTIONS.replaced(**named)))) == 10


def test_guidance_below_one_is_none_as_in_stock_pipelines(folder: Path) -> None:
    found = [row for row in verify(str(folder), OPTIONS.replaced(guidance=0.5)) if "picture" in row.check]
    assert found and all(row.max_difference <= row.tolerance for row in found)


def test_more_steps_than_stock_pipelines_take_are_told(folder: Path) -> None:
    with pytest.raises(InputError, match="1000 steps, which stock pipelines begin beyond the last of 1000"):
        next(verify(str(folder), OPTIONS.replaced(steps=1000)))
