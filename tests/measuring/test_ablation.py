"""The ablation: which arms it trains, and what is told before hours of training."""

import json
from pathlib import Path

import pytest

from frameweave.adaptor.adaptor import load_adaptor
from frameweave.errors import InputError, ModelFolderError, RunError
from frameweave.measuring.ablation import ablation
from frameweave.measuring.options import AblationOptions
from frameweave.measuring.report.reading import read_results
from frameweave.runs.run import read_run

SMALL = AblationOptions(
    clips=1, frames=2, steps=2, editors=("text2video_zero",), workers=0, full="miniature", train_steps=2
)


@pytest.fixture
def preset(tmp_path: Path) -> str:
    """A training of a few seconds."""
    file = tmp_path / "preset.toml"
    ones = ("held_out", "accumulate", "tokens_steps", "depth_steps", "threads")
    stages = 'stages = ["depth", "tokens", "lora"]'
    file.write_text("\n".join(["[settings]", stages, "groups = 4", *(f"{name} = 1" for name in ones)]))
    return str(file)


def test_every_part_has_an_arm_without_it(preset: str, tmp_path: Path) -> None:
    options = SMALL.replaced(preset=preset, out=tmp_path / "run")
    done = ablation(None, options)
    assert done.failed == {}
    results = read_results(tmp_path / "run")
    arms = ("without", "with", "without depth", "without tokens", "without LoRA")
    values = [results.values("text2video_zero", arm, "clip_score")["000"] for arm in arms]
    assert len(values) == 5
    adaptors = tmp_path / "run" / "adaptors"
    assert sorted(path.name for path in adaptors.iterdir()) == ["without-depth", "without-tokens"]
    tokens = {path.name: load_adaptor(str(path / "adaptor")).tokens for path in adaptors.iterdir()}
    assert tokens["without-depth"] is not None and tokens["without-tokens"] is None
    log = (adaptors / "without-depth" / "log.jsonl").read_text().splitlines()
    stages = [json.loads(line)["stage"] for line in log]
    assert stages == ["tokens", "lora", "lora"]
    trained = {path.name: read_run(path).settings["depth_control"] for path in adaptors.iterdir()}
    assert trained == {"without-depth": False, "without-tokens": True}
    again = ablation(None, options)
    assert (again.done, again.earlier) == (0, done.done)
    shared = options.replaced(out=tmp_path / "again", adaptors=adaptors, cells=tmp_path / "run" / "cells")
    assert ablation(None, shared).failed == {}
    assert not (tmp_path / "again" / "adaptors").exists()
    with pytest.raises(RunError, match="trained for 2 steps, 1 are asked for"):
        ablation(None, shared.replaced(train_steps=1, out=tmp_path / "fewer"))


def test_a_taken_folder_is_told_before_any_training(preset: str, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "holiday.mp4").write_bytes(b"precious")
    with pytest.raises(RunError, match="not a run folder"):
        ablation(None, SMALL.replaced(preset=preset, out=tmp_path / "run"))
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["holiday.mp4"]


def test_a_preset_that_is_not_there_leaves_no_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--preset foo: no such file, and no preset"):
        ablation(None, SMALL.replaced(preset="foo", out=tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_weights_that_are_missing_are_told_before_any_training(preset: str, tmp_path: Path) -> None:
    options = SMALL.replaced(preset=preset, backbones="real", weights=tmp_path, out=tmp_path / "run")
    with pytest.raises(ModelFolderError, match="no weights of AlexNet"):
        ablation(None, options)
    assert not (tmp_path / "run").exists()
