"""`--from`: settings of presets and run files become flags, and typed flags win."""

from pathlib import Path

import pytest

from frameweave.cli.run_files import expanded
from frameweave.errors import InputError
from frameweave.training.options import TrainOptions
from frameweave.training.presets import presets, settings_of


def test_without_it_nothing_changes() -> None:
    assert expanded(("train", "lora", "--rank", "8"), TrainOptions) == ["train", "lora", "--rank", "8"]


@pytest.mark.parametrize("form", [("--from", "refcode"), ("--from=refcode",)])
def test_a_preset_becomes_flags(form: tuple[str, ...]) -> None:
    flags = expanded(("train", "lora", *form), TrainOptions)
    assert "--lora-blocks=all" in flags
    assert "--train-tokens" in flags
    at = flags.index("--temporal-range")
    assert flags[at + 1 : at + 3] == ["0.0", "1.0"]
    assert "--stages=lora" in flags


def test_typed_flags_win() -> None:
    typed = ("train", "lora", "--from", "refcode", "--lora-blocks", "down", "--no-train-tokens", "--frames=3")
    flags = expanded(typed, TrainOptions)
    assert "--lora-blocks=all" not in flags
    assert "--train-tokens" not in flags
    assert "--frames=2" not in flags
    assert "--caption=3" in flags


@pytest.mark.parametrize("name", presets())
def test_every_preset_is_a_run_file(name: str) -> None:
    table, where = settings_of(name)
    options = TrainOptions.of_table(table, where=where)
    if name == "robust":  # it pins the defaults by name
        assert options == TrainOptions()


def test_presets_differ_where_the_readings_do() -> None:
    def options(name: str) -> TrainOptions:
        return TrainOptions.of_table(settings_of(name)[0], where=name)

    assert options("paper").temporal_norm == "T"
    assert options("refcode").temporal_mode == "noise"
    assert options("refcode").noise_sharing == "independent"


def test_what_is_no_run_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"--from papr: no such file.*presets are .*paper, refcode, robust"):
        expanded(("--from", "papr"), TrainOptions)
    file = tmp_path / "run.toml"
    file.write_text("x = 1\n")
    with pytest.raises(InputError, match=r"has no \[settings\]"):
        settings_of(str(tmp_path))
    file.write_text("[settings]\nrang = 4\n")
    with pytest.raises(InputError, match="did you mean rank"):
        expanded(("--from", str(file)), TrainOptions)
