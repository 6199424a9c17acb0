"""Which run files can be repeated, with what, and what is told about others."""

import shutil
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from frameweave.cli import calling
from frameweave.cli import rerun as module
from frameweave.cli.commands import BY_NAME, BY_RUN
from frameweave.cli.rerun import rerun
from frameweave.errors import FrameweaveError, InputError
from frameweave.runs.identity import contents
from frameweave.runs.run_file import read_run
from frameweave.runs.settings import Settings, write_toml

Done = tuple[str, tuple[Any, ...], Settings]


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Done]]:
    """What would be done: the command, its inputs, its settings."""
    found: list[Done] = []
    monkeypatch.setattr(
        module,
        "perform",
        lambda command, inputs, settings: found.append((command.name, tuple(inputs), settings)),
    )
    yield found


def run_file(folder: Path, command: str, settings: dict[str, Any], given: dict[str, Any]) -> Path:
    folder.mkdir(exist_ok=True)
    write_toml(folder / "run.toml", {"command": command, "settings": settings, "input": given})
    return folder


GIVEN: dict[str, tuple[dict[str, Any], tuple[Any, ...]]] = {
    "edit": ({"video": "/a.mp4", "prompts": ["a car", "a duck"]}, (Path("/a.mp4"), ("a car", "a duck"))),
    "edit-many": ({"table": "/edits.csv"}, (Path("/edits.csv"),)),
    "generate": ({"prompt": "a fish"}, ("a fish",)),
    "demo": ({}, ()),
    "train": ({"stages": ["lora"]}, ()),
    "tune": ({"adaptor": "miniature", "test_set": "some"}, ("miniature", None)),
    "export": ({"adaptor": "miniature"}, ("miniature",)),
    "grid": ({"test_set": "some"}, (None,)),
    "ablation": ({"table": "/a.csv", "table_digest": "1"}, (Path("/a.csv"),)),
    "evaluate": ({"edited": "/a.mp4", "videos": 1}, (Path("/a.mp4"),)),
    "study new": ({"runs": ["/grid"]}, ((Path("/grid"),),)),
    "data prepare": ({"source": "/videos"}, ("/videos",)),
    "data caption": ({"source": "/videos"}, ("/videos",)),
    "data show": ({"folder": "/shards"}, (Path("/shards"),)),
    "steady": ({"edited": "/videos/edited.mp4"}, (Path("/videos/edited.mp4"),)),
}


def test_every_command_with_a_run_file_is_tried() -> None:
    assert GIVEN.keys() == BY_RUN.keys()


@pytest.mark.parametrize("command", GIVEN)
def test_every_run_is_repeated_with_its_inputs_and_settings(
    command: str, done: list[Done], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    given, expected = GIVEN[command]
    kind = BY_RUN[command].kind
    made = kind(**{"out": Path("made"), **({"stages": ("lora",)} if command == "train" else {})})
    rerun(run_file(tmp_path / "made", command, made.table(), given))
    rerun(tmp_path / "made", "--out", "other")
    ((_, inputs, plain), (_, _, other)) = done
    assert inputs == expected
    assert str(getattr(other, "out")) == "other"  # noqa: B009 - of whichever class
    assert plain.table() | {"out": ""} == made.table() | {"out": ""}
    assert getattr(plain, "out") != Path("made")  # noqa: B009


def test_a_video_that_was_written_alone_is_repeated(
    done: list[Done], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_file(tmp_path, "generate", {"steps": 7}, {"prompt": "a fish"})
    (tmp_path / "run.toml").rename(tmp_path / "fish.mp4.toml")
    (tmp_path / "fish.mp4").write_bytes(b"\x9d")
    rerun(tmp_path / "fish.mp4", "--seed", "2")
    assert done[0][2].table()["steps"] == 7
    kind = BY_NAME["generate"].kind
    found: list[Settings] = []
    monkeypatch.setattr(calling, "perform", lambda command, inputs, settings: found.append(settings))
    calling.call(BY_NAME["generate"], ["a fish"], {"from_run": str(tmp_path / "fish.mp4")})
    assert found == [kind(steps=7)]


def test_changed_flags_win(done: list[Done], tmp_path: Path) -> None:
    settings = {"steps": 7, "seed": 3, "out": "made", "overwrite": True, "start": 1.5, "set": ["motion=2"]}
    run = run_file(tmp_path / "made", "edit", settings, {"video": "/a.mp4", "prompts": ["a car"]})
    rerun(run / "run.toml", "--steps", "50", "--from", "0:02", "--no-use-cache")
    ((name, _, found),) = done
    assert name == "edit"
    table = found.table()
    assert (table["steps"], table["seed"], table["start"], table["set"]) == (50, 3, 2.0, ["motion=2"])
    assert (table["use_cache"], table["overwrite"]) == (False, False)


def test_without_a_folder_a_free_one_is_taken(
    done: list[Done], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs/grid").mkdir(parents=True)
    (tmp_path / "runs/grid-2").mkdir()
    rerun(run_file(tmp_path / "made", "grid", {"out": "made"}, {}))
    assert getattr(done[0][2], "out") == Path("runs/grid-3")  # noqa: B009


def test_unknown_flags_and_settings_are_told(done: list[Done], tmp_path: Path) -> None:
    run = run_file(tmp_path / "made", "generate", {"every": 2}, {"prompt": "a fish"})
    with pytest.raises(InputError, match=r"made: unknown setting 'every'"):
        rerun(run)
    run = run_file(tmp_path / "made", "generate", {}, {"prompt": "a fish"})
    with pytest.raises(Exception, match="--stepz"):
        rerun(run, "--stepz", "3")
    with pytest.raises(InputError, match="--from beside rerun"):
        rerun(run, "--from", "x")
    assert not done


@pytest.mark.parametrize(
    ("command", "missing"),
    [("edit", "video"), ("generate", "prompt"), ("train", "stages"), ("data prepare", "source")],
)
def test_a_run_file_without_its_input_is_told(command: str, missing: str, tmp_path: Path) -> None:
    file = run_file(tmp_path, command, {}, {}) / "run.toml"
    with pytest.raises(InputError, match=rf"run\.toml: no {missing} in its \[input\]"):
        rerun(file, "--out", str(tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_a_preset_is_no_run(tmp_path: Path) -> None:
    shutil.copy(str(files("frameweave.training") / "presets" / "robust.toml"), tmp_path)
    with pytest.raises(InputError, match=r"no stages in its \[input\].*--from"):
        rerun(tmp_path / "robust.toml")


@pytest.mark.parametrize(
    ("content", "message"),
    [("", "command"), ("command = 3\n", "command"), ('command = "fly"\n', "unknown command"), ("[", "TOML")],
)
def test_files_that_are_no_run_files_are_told(content: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_text(content)
    with pytest.raises(FrameweaveError, match=message):
        rerun(tmp_path)


def test_a_command_that_writes_no_run_file_gets_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)

    def work(*inputs: Any, progress: Any) -> dict[str, str]:
        (tmp_path / "out").mkdir(exist_ok=True)
        return {"a": "b"}

    def resolved(where: str) -> Callable[..., Any]:
        return work

    (tmp_path / "videos").mkdir()
    monkeypatch.setattr(calling, "resolved", resolved)
    command = BY_NAME["data show"]
    calling.perform(command, [Path("videos")], command.kind(out=Path("out"), groups=3))
    monkeypatch.undo()
    found: list[Any] = []
    monkeypatch.setattr(
        module, "perform", lambda command, inputs, settings: found.extend([*inputs, settings])
    )
    rerun(tmp_path / "out", "--seed", "4")
    source, settings = found
    assert source == tmp_path / "videos"  # whatever folder it is called in
    assert (settings.groups, settings.seed) == (3, 4)


def test_files_are_those_that_the_run_named(
    done: list[Done], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """From wherever it is repeated, and what they hold by now is compared."""
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        folder.mkdir()
        (folder / "mine").mkdir()
        for name in ("m.png", "a@b.png", "ink.safetensors"):
            (folder / name).write_bytes(folder.name.encode())
    settings = {
        "mask": "m.png", "anchor": ["0=a@b.png"], "lora": ["ink.safetensors@0.5:0-0.6", "owner/name@2"],
        "editor": "anchored", "model": "miniature", "flow": "dis", "adaptor": "mine",
    }  # fmt: skip
    run = run_file(first / "run", "edit", settings, {"video": str(first / "m.png"), "prompts": ["a car"]})
    tables = read_run(run).updated(
        environment={"folder": str(first)}, contents={"mask": contents(first / "m.png"), "video": "other"}
    )
    tables.write(run / "run.toml")
    monkeypatch.chdir(second)
    rerun(run)
    found = done[0][2].table()
    assert found["mask"] == str(first / "m.png") and found["anchor"] == [f"0={first}/a@b.png"]
    assert found["lora"] == [f"{first}/ink.safetensors@0.5:0-0.6", "owner/name@2"]
    assert (found["model"], found["flow"]) == ("miniature", "dis")
    assert (found["editor"], found["adaptor"]) == ("anchored", f"{first}/mine")
    told = capsys.readouterr()
    assert f"{first}/m.png: it has changed since that run" in " ".join((told.out + told.err).split())
    assert (told.out + told.err).count("has changed") == 1
