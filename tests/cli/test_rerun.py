"""Which run files can be repeated, and what is told about others."""

import shutil
from importlib.resources import files
from pathlib import Path

import pytest

from frameweave.cli.rerun import rerun
from frameweave.errors import InputError


@pytest.mark.parametrize("command", ["grid", "ablation", "tune", "evaluate"])
def test_experiments_are_given_again(command: str, tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_text(f'command = "{command}"\n[settings]\n')
    message = (
        f"a run of {command}, rerun repeats edit, generate, demo, train; give the `frameweave {command}`"
    )
    with pytest.raises(InputError, match=message):
        rerun(tmp_path)


@pytest.mark.parametrize(
    ("command", "missing"),
    [("edit", "video"), ("generate", "prompt"), ("train", "stages")],
)
def test_a_run_file_without_its_input_is_told(command: str, missing: str, tmp_path: Path) -> None:
    file = tmp_path / "run.toml"
    file.write_text(f'command = "{command}"\n[settings]\n')
    with pytest.raises(InputError, match=rf"run\.toml: no {missing} in its \[input\]"):
        rerun(file, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_preset_is_no_run(tmp_path: Path) -> None:
    shutil.copy(str(files("frameweave.training") / "presets" / "robust.toml"), tmp_path)
    with pytest.raises(InputError, match=r"no stages in its \[input\].*--from"):
        rerun(tmp_path / "robust.toml")
