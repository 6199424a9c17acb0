"""Run folders: what they hold, and which folders are refused."""

import json
import os
import shlex
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from frameweave.errors import InputError, RunError
from frameweave.progress import Cancelled
from frameweave.runs.atomic import staged
from frameweave.runs.identity import Input
from frameweave.runs.lock import LOCK_FILE
from frameweave.runs.places import Numbered
from frameweave.runs.run import PlannedRun, Run, environment, read_run
from frameweave.runs.settings import Settings


class Fields(Settings):
    steps: int = 3


def test_a_run_explains_itself(tmp_path: Path) -> None:
    run = Run.planned(tmp_path / "run", "edit", Fields()).start()
    run.log(loss=0.5)
    run.log(loss=0.25)
    run.finish({"video": "edited.mp4"})
    run_file = read_run(tmp_path / "run")
    assert run_file == read_run(tmp_path / "run" / "run.toml")
    assert run_file.command == "edit"
    assert run_file.settings == {"steps": 3}
    assert run_file.result == {"video": "edited.mp4"}
    assert run_file.environment["torch"].startswith("2.")
    lines = (tmp_path / "run" / "log.jsonl").read_text().splitlines()
    assert [json.loads(line)["loss"] for line in lines] == [0.5, 0.25]


def test_an_unfinished_run_holds_its_input_and_goes_on_with_the_same_only(tmp_path: Path) -> None:
    Run.planned(tmp_path / "run", "edit", Fields(), given={"prompts": ["a", "b"]}, resume=True).start()
    assert read_run(tmp_path / "run").input == {"prompts": ["a", "b"]}
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
    assert read_run(tmp_path / "run").command == "demo"


def test_a_planned_run_touches_nothing_before_its_start(tmp_path: Path) -> None:
    run = Run.planned(tmp_path / "run", "edit", Fields()).start()
    folder = run.folder
    run.will_write("edited.mp4")
    (folder / "edited.mp4").write_bytes(b"precious")
    plan = Run.planned(folder, "demo", Fields(), overwrite=True)
    fresh = Run.planned(tmp_path / "fresh", "edit", Fields())
    assert (folder / "edited.mp4").read_bytes() == b"precious"
    assert read_run(folder).command == "edit"
    assert not fresh.folder.exists()
    plan.start()
    assert [path.name for path in folder.iterdir()] == ["run.toml"]
    assert read_run(folder).command == "demo"
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
    assert read_run(tmp_path).command == "edit"
    assert not old.exists() and new.exists()  # another job of an array may be writing that one


def test_resume_and_overwrite_replace_only_what_differs(tmp_path: Path) -> None:
    both = {"resume": True, "overwrite": True}
    run = Run.planned(tmp_path / "run", "edit", Fields(), given={"prompts": ["a"]}, **both).start()
    run.will_write("unfinished")
    (tmp_path / "run" / "unfinished").touch()
    Run.planned(tmp_path / "run", "edit", Fields(), given={"prompts": ["a"]}, **both).start()
    assert (tmp_path / "run" / "unfinished").exists()
    Run.planned(tmp_path / "run", "edit", Fields(), given={"prompts": ["b"]}, **both).start()
    assert read_run(tmp_path / "run").input == {"prompts": ["b"]}
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
    monkeypatch.setattr("frameweave.runs.takeable.os.access", lambda *_: False)
    with pytest.raises(RunError, match="cannot be written"):
        Run.planned(tmp_path / "run", "edit", Fields()).start()


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def test_overwriting_removes_what_the_run_wrote_and_nothing_else(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    run = Run.planned(folder, "edit", Fields()).start()
    run.will_write("edited.mp4", "preview-[0-9][0-9][0-9].png", "cells/*/", "../outside", str(tmp_path / "a"))
    run.log(step=1)
    with staged(folder / "cells" / "one") as stage:
        stage.mkdir(parents=True)
        (stage / "frame.png").touch()
    own = ("edited.mp4", "preview-002.png")
    others = ("mask.png", "preview-mine.png", "cells/notes.txt", "cells/one/mine.png", "../outside", "../a")
    for name in (*own, *others):
        (folder / name).touch()
    Run.planned(folder, "demo", Fields(), overwrite=True).start()
    assert names(folder) == [
        "cells", "cells/notes.txt", "cells/one", "cells/one/mine.png", "mask.png", "preview-mine.png",
        "run.toml",
    ]  # fmt: skip
    assert (tmp_path / "outside").exists() and (tmp_path / "a").exists()


def test_a_file_that_no_run_wrote_is_not_written_over(tmp_path: Path) -> None:
    Run.planned(tmp_path / "run", "edit", Fields()).start()
    (tmp_path / "run" / "edited.mp4").write_bytes(b"mine")
    run = Run.planned(tmp_path / "run", "edit", Fields(), overwrite=True).start()
    with pytest.raises(RunError, match="edited.mp4: is there already, and no run wrote it"):
        run.will_write("edited.mp4")


def test_a_changed_input_is_told_and_a_moved_one_is_the_same(tmp_path: Path) -> None:
    video = tmp_path / "a.mp4"
    video.write_bytes(b"one")

    def planned(path: Path, **how: bool) -> PlannedRun:
        given = {"video": Input.of("video", path), "prompts": ["x"]}
        return Run.planned(tmp_path / "run", "edit", Fields(), given=given, **how)

    planned(video).start()
    assert read_run(tmp_path / "run").input == {"video": str(video), "prompts": ["x"]}
    moved = tmp_path / "b.mp4"
    moved.write_bytes(b"one")
    assert planned(video, resume=True).goes_on and planned(moved, resume=True).goes_on
    video.write_bytes(b"two")
    message = rf"holds a run already; video {video} has changed since it began; put the earlier content back"
    with pytest.raises(RunError, match=message):
        planned(video, resume=True)
    assert not planned(video, overwrite=True).goes_on


def test_inputs_that_settings_name_stand_once(tmp_path: Path) -> None:
    class Masked(Settings):
        mask: Path

    mask = tmp_path / "mask.png"
    mask.write_bytes(b"one")

    def planned() -> PlannedRun:
        given = {"mask": Input.of("mask", mask)}
        return Run.planned(tmp_path / "run", "edit", Masked(mask=mask), given=given, resume=True)

    planned().start()
    assert read_run(tmp_path / "run").input == {}
    mask.write_bytes(b"two")
    with pytest.raises(RunError, match=f"mask {mask} has changed"):
        planned()


def test_an_input_in_the_folder_is_refused(tmp_path: Path) -> None:
    run = Run.planned(tmp_path / "run", "edit", Fields()).start()
    (run.folder / "mask.png").write_bytes(b"mine")
    given = {"mask": Input.of("mask", run.folder / "mask.png")}
    with pytest.raises(InputError, match="lies in the run folder"):
        Run.planned(run.folder, "edit", Fields(), given=given, overwrite=True)


def test_only_a_whole_file_counts_as_finished(tmp_path: Path) -> None:
    def planned() -> PlannedRun:
        return Run.planned(tmp_path / "run", "edit", Fields(), resume=True)

    run = planned().start()
    video = run.folder / "edited.mp4"
    for content in (b"", b"cut", b"changed!"):
        run.will_write("edited.mp4")
        video.write_bytes(b"finished")
        assert planned().finished is None
        run.wrote("edited.mp4")
        run.finish({"videos": ["edited.mp4"]})
        assert planned().finished == {"videos": ["edited.mp4"]}
        video.write_bytes(content)
        assert planned().finished is None
        run = planned().start()
        assert not run.whole("edited.mp4")
    video.unlink()
    assert not run.whole("edited.mp4")


def test_a_held_folder_is_refused_to_others_and_told_who_holds_it(tmp_path: Path) -> None:
    one, other = (Run.planned(tmp_path / "a" / "run", "edit", Fields(steps=steps)) for steps in (1, 2))
    with one.held():
        with (
            pytest.raises(
                RunError, match=rf"in use by process {os.getpid()} on {socket.gethostname()} since"
            ),
            other.held(),
        ):
            pass
        one.start()
    with pytest.raises(RunError, match="holds a run already"), other.held():
        pass
    assert names(tmp_path) == ["a", "a/run", "a/run/run.toml"]


def test_jobs_of_an_array_share_a_folder(tmp_path: Path) -> None:
    plans = [Run.planned(tmp_path / "run", "grid", Fields(), resume=True) for _ in range(3)]
    with plans[0].held(shared=True), plans[1].held(shared=True):
        plans[0].start()
        with pytest.raises(RunError, match="in use by"), plans[2].held():
            pass


def test_a_failure_before_the_start_leaves_nothing(tmp_path: Path) -> None:
    plan = Run.planned(tmp_path / "runs" / "a", "edit", Fields())
    with pytest.raises(ZeroDivisionError), plan.held():
        assert (tmp_path / "runs" / "a" / LOCK_FILE).is_file()
        raise ZeroDivisionError
    assert names(tmp_path) == []


_HOLDER = """
import sys, time
from pathlib import Path
from frameweave.runs.lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_killed_holder_holds_no_more(tmp_path: Path) -> None:
    plan = Run.planned(tmp_path, "edit", Fields())
    with subprocess.Popen([sys.executable, "-c", _HOLDER, str(tmp_path)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.readline() == b"held\n"
        with pytest.raises(RunError, match=f"in use by process {process.pid} "), plan.held():
            pass
        process.kill()
    with plan.held():
        plan.start()
    assert names(tmp_path) == ["run.toml"]


def test_without_a_folder_each_run_gets_a_numbered_one(tmp_path: Path) -> None:
    place = Numbered("edit", "A red car, in the snow!", tmp_path / "runs")
    (tmp_path / "runs" / "edit-0009-mine").mkdir(parents=True)
    (tmp_path / "runs" / "edit-12-other").mkdir()
    plan = Run.planned(place, "edit", Fields(), resume=True)
    with plan.held():
        run = plan.start()
    assert run.folder == tmp_path / "runs" / "edit-0010-a-red-car-in-the-snow"
    assert (tmp_path / "runs" / "latest").resolve() == run.folder
    again = Run.planned(place, "edit", Fields(), resume=True)
    assert again.goes_on and again.folder == run.folder  # it was interrupted
    other = Run.planned(place, "edit", Fields(steps=9), resume=True)
    assert other.start().folder.name == "edit-0011-a-red-car-in-the-snow"
    assert (tmp_path / "runs" / "latest").resolve().name == "edit-0011-a-red-car-in-the-snow"
    run.finish({})
    fresh = Run.planned(place, "edit", Fields(), resume=True)
    with pytest.raises(ZeroDivisionError), fresh.held():
        raise ZeroDivisionError
    assert not (tmp_path / "runs" / "edit-0012-a-red-car-in-the-snow").exists()


def test_a_run_that_works_is_not_joined_by_the_same_command(tmp_path: Path) -> None:
    place = Numbered("edit", "\udcff \U0001f697", tmp_path / "runs")
    first = Run.planned(place, "edit", Fields(), resume=True)
    with first.held():
        first.start()
        second = Run.planned(place, "edit", Fields(), resume=True)
        with second.held():
            assert (first.folder.name, second.folder.name) == ("edit-0001", "edit-0002")


def test_where_links_cannot_be_a_text_names_the_latest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise OSError

    place = Numbered("edit", "", tmp_path)
    (tmp_path / "kept").mkdir()
    with monkeypatch.context() as patch:
        patch.setattr(Path, "symlink_to", refused)
        Run.planned(place, "edit", Fields()).start()
    assert (tmp_path / "latest.txt").read_text() == "edit-0001\n"
    (tmp_path / "latest").mkdir()  # the user's
    Run.planned(place, "edit", Fields()).start()
    assert (tmp_path / "latest").is_dir() and not (tmp_path / "latest").is_symlink()


def test_a_link_as_folder_is_followed(tmp_path: Path) -> None:
    for name in ("there", "absent"):
        (tmp_path / f"to-{name}").symlink_to(name)
        for settings in (Fields(), Fields(steps=4)):
            Run.planned(tmp_path / f"to-{name}", "edit", settings, overwrite=True).start()
        assert read_run(tmp_path / name).settings == {"steps": 4}
        assert (tmp_path / f"to-{name}").is_symlink()


@pytest.mark.parametrize("name", ["red.mp4", "a.GIF", "report.html", "shards.tar"])
def test_a_file_s_name_is_no_folder_s(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="named as a file, expected a folder"):
        Run.planned(tmp_path / name, "demo", Fields())
    Run.planned(tmp_path / "v1.5", "demo", Fields()).start()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no command in it"),
        ("command = 3", "no command in it"),
        ('command = "edit"\nsettings = 3', "settings is no table"),
        ('command = "edit"\nfiles = []', "files is no table"),
        (f"a = {'[' * 5000}", "too deep|not a TOML file"),
    ],
)
def test_a_run_file_of_another_shape_is_told(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_text(text)
    with pytest.raises(InputError, match=message):
        read_run(tmp_path)
    for how in ({"resume": True}, {"overwrite": True}):
        with pytest.raises(RunError, match=message):
            Run.planned(tmp_path, "edit", Fields(), **how)
    assert (tmp_path / "run.toml").read_text() == text


def test_the_command_line_keeps_its_quotes(monkeypatch: pytest.MonkeyPatch) -> None:
    """What stands there can be pasted into a shell."""
    words = ["frameweave", "edit", "a b.mp4", "it's a red car", "--set", "x=1,2"]
    monkeypatch.setattr("sys.argv", words)
    assert shlex.split(environment()["command_line"]) == words


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (InputError("no frames", hint="check --start"), ("failed", "no frames", "check --start")),
        (TypeError("a fault"), ("failed", "TypeError: a fault", "")),
        (KeyboardInterrupt(), ("cancelled", "", "")),
        (Cancelled(), ("cancelled", "", "")),
    ],
)
def test_a_run_that_ends_early_says_how(
    error: BaseException, said: tuple[str, str, str], tmp_path: Path
) -> None:
    """And says it no more when it goes on."""
    plan = Run.planned(tmp_path / "run", "edit", Fields(), resume=True)
    with pytest.raises(type(error)), plan.held():
        plan.start()
        raise error
    record = read_run(tmp_path / "run")
    assert (record.state, record.error, record.hint) == said and record.result is None
    plan = Run.planned(tmp_path / "run", "edit", Fields(), resume=True)
    with plan.held():
        run = plan.start()
        assert "state" not in (tmp_path / "run" / "run.toml").read_text()
        run.finish({"video": "edited.mp4"})
    record = read_run(tmp_path / "run")
    assert (record.state, record.result) == ("", {"video": "edited.mp4"})


def test_a_run_that_could_not_replace_another_says_nothing_of_it(tmp_path: Path) -> None:
    Run.planned(tmp_path / "run", "edit", Fields()).start()
    before = read_run(tmp_path / "run")
    plan = Run.planned(tmp_path / "run", "edit", Fields(steps=9), overwrite=True)
    with pytest.raises(InputError), plan.held():
        raise InputError("no frames")
    assert read_run(tmp_path / "run") == before
