"""Run folders: what they hold, and which folders are refused."""

import json
import os
from pathlib import Path

import pytest

from frameweave.errors import RunError
from frameweave.runs.run import Run, read_run
from frameweave.runs.settings import Settings


class Fields(Settings):
    steps: int = 3


def test_a_run_explains_itself(tmp_path: Path) -> None:
    run = Run.planned(tmp_path / "run", "edit", Fields()).start()
    run.log(loss=0.5)
    run.log(loss=0.25)
    run.finish({"video": "edited.mp4"})
    tables = read_run(tmp_path / "run")
    assert tables == read_run(tmp_path / "run" / "run.toml")
    assert tables["command"] == "edit"
    assert tables["settings"] == {"steps": 3}
    assert tables["result"] == {"video": "edited.mp4"}
    assert tables["environment"]["torch"].startswith("2.")
    lines = (tmp_path / "run" / "log.jsonl").read_text().splitlines()
    assert [json.loads(line)["loss"] for line in lines] == [0.5, 0.25]


def test_an_unfinished_run_holds_its_input_and_goes_on_with_the_same_only(tmp_path: Path) -> None:
    Run.planned(tmp_path / "run", "edit", Fields(), given={"prompts": ["a", "b"]}, resume=True).start()
    assert read_run(tmp_path / "run")["input"] == {"prompts": ["a", "b"]}
    Run.planned(tmp_path / "run", "edit", Fields(), given={"prompts": ["a", "b"]}, resume=True).start()
    with pytest.raises(RunError, match=r"its run has prompts = \['a', 'b'\], this one \['a'\]"):
        Run.planned(tmp_path / "run", "edit", Fields(), given={"prompts": ["a"]}, resume=True).start()


def test_only_the_part_that_differs_is_told(tmp_path: Path) -> None:
    for arms in ({"with": "a", "without": "b"}, {"with": "c", "without": "b"}):
        if (tmp_path / "run").exists():
            with pytest.raises(RunError, match=r"arms = \{'with': 'a'\}, this one \{'with': 'c'\}"):
                Run.planned(tmp_path / "run", "edit", Fields(), given={"arms": arms}, resume=True).start()
        else:
            Run.planned(tmp_path / "run", "edit", Fields(), given={"arms": arms}, resume=True).start()


def test_settings_that_change_nothing_may_differ(tmp_path: Path) -> None:
    Run.planned(tmp_path / "run", "edit", Fields(steps=3), resume=True).start()
    Run.planned(tmp_path / "run", "edit", Fields(steps=4), resume=True, free=("steps",)).start()
    with pytest.raises(RunError, match="steps = 4, this one 5"):
        Run.planned(tmp_path / "run", "edit", Fields(steps=5), resume=True).start()


def test_a_taken_folder_is_refused_unless_told(tmp_path: Path) -> None:
    Run.planned(tmp_path / "run", "edit", Fields()).start()
    with pytest.raises(RunError, match="holds a run already.*--overwrite"):
        Run.planned(tmp_path / "run", "edit", Fields()).start()
    Run.planned(tmp_path / "run", "demo", Fields(), overwrite=True).start()
    assert read_run(tmp_path / "run")["command"] == "demo"


def test_a_planned_run_touches_nothing_before_its_start(tmp_path: Path) -> None:
    folder = Run.planned(tmp_path / "run", "edit", Fields()).start().folder
    (folder / "edited.mp4").write_bytes(b"precious")
    plan = Run.planned(folder, "demo", Fields(), overwrite=True)
    fresh = Run.planned(tmp_path / "fresh", "edit", Fields())
    assert (folder / "edited.mp4").read_bytes() == b"precious"
    assert read_run(folder)["command"] == "edit"
    assert not fresh.folder.exists()
    plan.start()
    assert [path.name for path in folder.iterdir()] == ["run.toml"]
    assert read_run(folder)["command"] == "demo"
    Run.planned(fresh.folder, "edit", Fields()).start()
    with pytest.raises(RunError, match="holds a run already"):
        fresh.start()


def test_a_folder_of_other_things_is_never_removed(tmp_path: Path) -> None:
    (tmp_path / "holiday.mp4").write_bytes(b"precious")
    with pytest.raises(RunError, match="not a run folder"):
        Run.planned(tmp_path, "edit", Fields(), overwrite=True).start()
    assert (tmp_path / "holiday.mp4").read_bytes() == b"precious"


def test_what_a_kill_before_the_first_run_file_left_is_no_run_of_others(tmp_path: Path) -> None:
    old, new = (tmp_path / f".{name}-run.toml" for name in ("0123abcd", "4567cdef"))
    for stage in (old, new):
        stage.write_text("command =")
    os.utime(old, (0, 0))
    Run.planned(tmp_path, "edit", Fields()).start()
    assert read_run(tmp_path)["command"] == "edit"
    assert not old.exists() and new.exists()  # another job of an array may be writing that one


def test_resume_and_overwrite_replace_only_what_differs(tmp_path: Path) -> None:
    both = {"resume": True, "overwrite": True}
    Run.planned(tmp_path / "run", "edit", Fields(), given={"prompts": ["a"]}, **both).start()
    (tmp_path / "run" / "unfinished").touch()
    Run.planned(tmp_path / "run", "edit", Fields(), given={"prompts": ["a"]}, **both).start()
    assert (tmp_path / "run" / "unfinished").exists()
    Run.planned(tmp_path / "run", "edit", Fields(), given={"prompts": ["b"]}, **both).start()
    assert read_run(tmp_path / "run")["input"] == {"prompts": ["b"]}
    assert not (tmp_path / "run" / "unfinished").exists()


def test_a_run_may_go_on_under_another_path_to_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Placed(Settings):
        out: Path

    monkeypatch.chdir(tmp_path)
    Run.planned(Path("run"), "edit", Placed(out=Path("run")), resume=True).start()
    Run.planned(tmp_path / "run", "edit", Placed(out=tmp_path / "run"), resume=True).start()


def test_a_file_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("x")
    with pytest.raises(RunError, match="a file, expected a folder"):
        Run.planned(tmp_path / "run", "edit", Fields()).start()


def test_a_folder_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("frameweave.runs.run.os.access", lambda *_: False)
    with pytest.raises(RunError, match="cannot be written"):
        Run.planned(tmp_path / "run", "edit", Fields()).start()
