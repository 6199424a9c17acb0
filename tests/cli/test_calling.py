"""Settings come from defaults, a file, and flags, in that order; what is not there is told first."""

from pathlib import Path
from typing import Any

import pytest

from frameweave.adaptor.options import AUTO
from frameweave.adaptor.packaged import PACKAGED
from frameweave.cli import calling, checks
from frameweave.cli.calling import settled
from frameweave.cli.commands import BY_NAME, COMMANDS
from frameweave.editing.options import EditOptions
from frameweave.editing.setup import editor_of
from frameweave.errors import FrameweaveError, InputError
from frameweave.runs.again.presets import Presets
from frameweave.runs.settings import Settings, write_toml
from frameweave.training.options import TrainOptions
from frameweave.training.presets import PRESETS

LORA, TOKENS, ALL, PERSONAL = (BY_NAME[f"train {name}"] for name in ("lora", "tokens", "all", "personal"))


def called(command: str, monkeypatch: pytest.MonkeyPatch, *inputs: Any, **flags: Any) -> Any:
    """The settings with which a command would work."""
    found: list[Any] = []
    monkeypatch.setattr(calling, "perform", lambda command, inputs, settings: found.append(settings))
    calling.call(BY_NAME[command], inputs, flags)
    return found[0]


def test_a_preset_then_flags(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = called("train lora", monkeypatch, from_run="refcode")
    assert (plain.lora_blocks, plain.train_tokens, plain.frames, plain.caption) == ("all", True, 2, 3)
    assert plain.temporal_range == (0.0, 1.0)
    changed = called("train lora", monkeypatch, from_run="refcode", lora_blocks="down", train_tokens=False)
    assert (changed.lora_blocks, changed.train_tokens, changed.frames) == ("down", False, 2)


def test_a_run_file_of_any_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where that run went is not taken over."""
    table = {"steps": 7, "seed": 3, "out": "elsewhere", "overwrite": True}
    write_toml(tmp_path / "run.toml", {"command": "generate", "settings": table})
    found = called("generate", monkeypatch, "a fish", from_run=str(tmp_path), seed=4)
    assert (found.steps, found.seed, found.overwrite) == (7, 4, False)
    assert "elsewhere" not in str(found.out)


@pytest.mark.parametrize("name", PRESETS.names())
def test_every_preset_is_a_run_file(name: str) -> None:
    table, where = PRESETS.settings_of(name)
    options = settled(ALL, table, {}, where=where)
    if name == "robust":  # it pins the defaults by name
        assert options == TrainOptions()


def test_presets_differ_where_the_readings_do() -> None:
    def options(name: str) -> TrainOptions:
        return TrainOptions.of_table(PRESETS.settings_of(name)[0], where=name)

    assert options("paper").temporal_norm == "T"
    assert options("refcode").temporal_mode == "noise"
    assert options("refcode").noise_sharing == "independent"


def test_what_is_no_run_file_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match=r"--from papr: no such file.*presets are .*paper, refcode, robust"):
        called("train all", monkeypatch, from_run="papr")
    with pytest.raises(InputError, match=r"--from-run papr: no such file"):
        called("edit", monkeypatch, Path("a.mp4"), "x", from_run="papr")
    file = tmp_path / "run.toml"
    file.write_text("x = 1\n")
    with pytest.raises(InputError, match=r"has no \[settings\]"):
        PRESETS.settings_of(str(tmp_path))
    file.write_text("[settings]\nrang = 4\n")
    with pytest.raises(InputError, match=r"run\.toml: unknown setting 'rang'.*did you mean rank"):
        called("train all", monkeypatch, from_run=str(file))


def test_a_stage_alone_gets_the_steps_that_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("tokens", "lora", "depth"):
        found = called(f"train {name}", monkeypatch, **{"steps" if name == "lora" else f"{name}_steps": 1})
        assert found.stages == (name,)


@pytest.mark.parametrize(
    ("command", "flags", "message"),
    [
        (ALL, {"steps": 1, "stages": ("tokens",)}, "--steps is for the stage lora.*give --tokens-steps"),
        (ALL, {"depth_steps": 1}, "--depth-steps is for the stage depth, which is not trained"),
        (TOKENS, {"depth_learning_rate": 1.0}, "--depth-learning-rate is for the stage depth"),
        (LORA, {"tokens_steps": 1}, "--tokens-steps is for the stage tokens"),
    ],
)
def test_steps_of_a_stage_that_is_not_trained_are_told(
    command: Any, flags: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        settled(command, {}, flags)
    settled(command, flags, {})  # a preset may speak of every stage


@pytest.mark.parametrize(
    ("command", "inputs", "message"),
    [
        ("edit", [Path("absent.mp4"), ("x",)], "^absent.mp4: no such file; check the path"),
        (
            "edit",
            [Path("https://a.org/b.mp4"), ("x",)],
            "^https://a.org/b.mp4: an address, expected a file; down",
        ),
        ("edit", [Path(__file__), ("a", "red", "car")], '3 prompts of one word each.*"a red car"'),
        ("export", ["absent"], "^absent: not there"),
        ("data check", [Path("absent")], "^absent: no such file or folder"),
        ("report", [(Path("absent"), Path())], "^absent: no such file or folder"),
    ],
)
def test_inputs_that_are_not_there(command: str, inputs: list[Any], message: str) -> None:
    with pytest.raises(FrameweaveError, match=message):
        checks.inputs(BY_NAME[command], inputs)


def test_several_prompts_in_quotes_are_several_prompts() -> None:
    for prompts in (("a red car", "a duck"), ("car",), ("a car", "duck")):
        checks.inputs(BY_NAME["edit"], [Path(__file__), prompts])


@pytest.mark.parametrize(
    ("command", "settings", "message"),
    [
        ("edit", {"mask": Path("absent.png")}, "^absent.png: no such file"),
        ("edit", {"adaptor": "absent"}, "^absent: not there"),
        ("edit", {"editor": "framewize"}, "did you mean framewise"),
        ("grid", {"editors": ("tokenflow", "vidtom")}, "did you mean vidtome"),
        ("evaluate", {"source": Path("http://a.org/b.mp4")}, "^http://a.org/b.mp4: an address"),
    ],
)
def test_settings_that_name_what_is_not_there(command: str, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(FrameweaveError, match=message):
        checks.settings(BY_NAME[command].kind(**settings))


@pytest.mark.parametrize("name", [*PACKAGED, AUTO])
def test_adaptors_of_the_package_are_there(name: str) -> None:
    checks.settings(BY_NAME["edit"].kind(adaptor=name))
    if name == AUTO:  # which stands for one only where an editor and prompts are known
        with pytest.raises(FrameweaveError, match="^auto: not there; give strangers or"):
            checks.inputs(BY_NAME["export"], [name])
    else:
        checks.inputs(BY_NAME["export"], [name])


def test_a_random_seed_is_drawn_once_and_kept() -> None:
    kind = BY_NAME["edit"].kind
    seeds = {kind(seed=text).table()["seed"] for text in (-1, "-1", -1, "-1")}
    assert len(seeds) > 1 and all(0 <= seed < 2**31 for seed in seeds)
    drawn = kind(seed=-1)
    assert kind.of_table(drawn.table(), where="run.toml") == drawn == drawn.replaced()


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_every_row_leads_somewhere(command: Any) -> None:
    from frameweave.cli import results
    from frameweave.cli.command import resolved

    assert callable(resolved(command.work)) and hasattr(results, command.result)
    assert command.fixed.keys() | command.short.keys() <= command.kind.model_fields.keys()
    if command.notes_run:
        assert "out" in command.kind.model_fields


@pytest.mark.parametrize("name", Presets("frameweave.editing").names())
def test_every_preset_of_edits_is_whole_and_flags_win(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[Settings] = []
    monkeypatch.setattr(calling, "perform", lambda _command, _inputs, settings: found.append(settings))
    given = {"from_run": name, "steps": 7, "editor": "text2video_zero"}
    calling.call(BY_NAME["edit"], ["a.mp4", "a red car"], given)
    (settings,) = found
    assert isinstance(settings, EditOptions) and settings.steps == 7
    editor_of(settings)
    table, _ = Presets("frameweave.editing").settings_of(name)
    assert table and EditOptions.of_table(table).replaced(steps=7, editor="text2video_zero") == settings


@pytest.mark.parametrize(
    ("command", "flags", "message"),
    [
        (ALL, {"prior_share": 0.5}, "--prior-share acts with --prior only; give --prior too"),
        (ALL, {"noise_correlation": 0.5}, "acts with --noise-sharing mixed only"),
        (PERSONAL, {"temporal_weight": 0.1}, "acts with --temporal-mode frames or noise or both only"),
        (ALL, {"groups": 9, "data": "folder"}, "--groups acts with --data world or --prior world only"),
        (PERSONAL, {"groups": 9}, "--groups acts with --prior world only; give --prior world too"),
        (PERSONAL, {"p_share": 0.5}, "--p-share acts with --n-shared only"),
        (ALL, {"controlnet_text": "tokens", "depth_control": False}, "acts with --depth-control only"),
    ],
)
def test_a_flag_that_would_do_nothing_is_told(command: Any, flags: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        settled(command, {}, flags)
    settled(command, flags, {})  # a preset may say more than acts
    settled(command, {}, {"prior_share": 0.5, "prior": "world", "noise_correlation": 0.8})
