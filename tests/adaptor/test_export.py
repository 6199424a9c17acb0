"""The files that an export writes."""

import json
import shutil
from pathlib import Path

import pytest

from frameweave.adaptor.adaptor import Adaptor, load_adaptor
from frameweave.adaptor.export import export
from frameweave.adaptor.formats import read_layout
from frameweave.adaptor.options import ExportOptions
from frameweave.errors import AdaptorMismatch, InputError, RunError
from frameweave.progress import Notes


@pytest.fixture
def folder(adaptor: Adaptor, tmp_path: Path) -> str:
    adaptor.save(tmp_path / "adaptor")
    return str(tmp_path / "adaptor")


def test_all_files_are_there_and_readable(adaptor: Adaptor, folder: str, tmp_path: Path) -> None:
    options = ExportOptions(out=tmp_path / "out", sampler="dpmpp_2m_karras", strength=0.8)
    done = export(folder, options)
    names = ["adaptor.safetensors", "pytorch_lora_weights.safetensors", "kohya.safetensors"]
    names += ["comfyui.json", "comfyui-video.json"]
    assert [file.name for file in done.files] == names
    native, diffusers, kohya, workflow, video = done.files
    assert load_adaptor(str(native)).card == adaptor.card
    assert all(read_layout(file).keys() == adaptor.lora.keys() for file in (diffusers, kohya))
    assert [*done.for_whom] == names and done.for_whom[diffusers.name] == "diffusers and PEFT"
    nodes = json.loads(workflow.read_text())
    by_kind = {node["class_type"]: node["inputs"] for node in nodes.values()}
    assert by_kind["CreateHookLora"]["lora_name"] == kohya.name
    assert by_kind["CreateHookLora"]["strength_model"] == 0.8
    assert by_kind["KSampler"]["scheduler"] == "karras"
    of_video = {node["class_type"]: node["inputs"] for node in json.loads(video.read_text()).values()}
    assert of_video["CreateHookLora"] == by_kind["CreateHookLora"]
    assert of_video["BasicScheduler"]["scheduler"] == "karras"
    assert done.a1111 == "<lora:kohya:0.8@0,0.8@0.1106,0@0.1111>"


@pytest.mark.parametrize(("steps", "told"), [(20, []), (9, ["acts in 2 steps"])])
def test_what_loractl_cannot_say_is_told(folder: str, tmp_path: Path, steps: int, told: list[str]) -> None:
    notes = Notes()
    export(folder, ExportOptions(out=tmp_path / "out", steps=steps, sampler="euler_a"), progress=notes)
    assert [note[note.index("acts in") :] for note in notes.texts[1:]] == told


def test_exports_have_the_same_bytes_every_time(folder: str, tmp_path: Path) -> None:
    first, *others = (export(folder, ExportOptions(out=tmp_path / str(k))).files for k in range(4))
    for files in others:
        assert [file.read_bytes() for file in files] == [file.read_bytes() for file in first]


def test_the_strength_is_the_adaptor_s_by_default(folder: str, tmp_path: Path) -> None:
    assert (
        export(folder, ExportOptions(out=tmp_path / "out")).a1111 == "<lora:kohya:0.5@0,0.5@0.055,0@0.0555>"
    )


def test_an_earlier_export_is_kept(folder: str, tmp_path: Path) -> None:
    options = ExportOptions(out=tmp_path / "out")
    export(folder, options)
    with pytest.raises(RunError, match=r"adaptor.safetensors: is there already; give another --out"):
        export(folder, options)
    export(folder, options.replaced(overwrite=True))


def test_an_adaptor_that_no_export_wrote_is_kept(folder: str, tmp_path: Path) -> None:
    trained = Path(shutil.copytree(folder, tmp_path / "trained"))
    before = (trained / "adaptor.safetensors").read_bytes()
    with pytest.raises(RunError, match=r"adaptor.safetensors: no export wrote it"):
        export("strangers", ExportOptions(out=trained, overwrite=True))
    assert (trained / "adaptor.safetensors").read_bytes() == before


def test_a_file_in_place_of_the_folder_is_told(folder: str, tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_bytes(b"precious")
    with pytest.raises(RunError, match=r"clip\.mp4: a file, expected a folder"):
        export(folder, ExportOptions(out=tmp_path / "clip.mp4", overwrite=True))


def test_wrong_input_writes_nothing(adaptor: Adaptor, folder: str, tmp_path: Path) -> None:
    options = ExportOptions(out=tmp_path / "out")
    with pytest.raises(InputError, match="adaptor strength 3"):
        export(folder, options.replaced(strength=3.0))
    with pytest.raises(InputError, match="steps is 0, expected at least 1"):
        export(folder, options.replaced(steps=0))
    Adaptor({}, adaptor.tokens, adaptor.card).save(tmp_path / "tokens")
    with pytest.raises(AdaptorMismatch, match="holds tokens and no LoRA"):
        export(str(tmp_path / "tokens"), options)
    assert not options.out.exists()
