"""The desk: its queue, how jobs are stopped and go on, and what is left after a restart."""

import json
import shutil
import time
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from desks import Held, app_options, on_item, over, tiny_edit
from frameweave.app import history
from frameweave.app.desk import Desk
from frameweave.app.job import Asked, NoSuchJob
from frameweave.app.options import AppOptions
from frameweave.editing.edit import edit
from frameweave.editing.keeper import StepKeeper
from frameweave.editing.options import EditOptions
from frameweave.errors import InputError, RunError
from frameweave.models.loading.kept import Kept
from frameweave.runs.lock import locked
from frameweave.runs.run_file import RUN_FILE, read_run
from frameweave.runs.settings import read_toml, write_toml
from frameweave.training.personal_options import PersonalOptions
from videos import sound_packets

PROMPT = ["a red car"]


def test_an_edit_is_done_and_told(desk: Desk, video: Path, settings: EditOptions) -> None:
    job = desk.submit(video, PROMPT, settings)
    view = over(desk, job)
    assert (view.state, view.message, view.kind, view.loop) == ("done", "", "edit", None), view
    (result,) = view.results
    assert result.is_file() and sound_packets(result) == sound_packets(video) != []
    assert view.seconds > 0 and view.asked.prompts == tuple(PROMPT)
    assert read_run(result.parent).settings["steps"] == 2
    assert desk.current is None and [one.id for one in desk.history()] == [job]


def test_a_running_job_tells_its_loop_and_shows_previews(
    desk: Desk, video: Path, settings: EditOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Held(monkeypatch, "frames written")
    job = desk.submit(video, PROMPT, settings)
    held.wait()
    view = desk.view(job)
    assert view.state == "running" and desk.current == job
    assert view.loop is not None and (view.loop.what, view.loop.done, view.loop.total) == (
        "frames written",
        0,
        2,
    )
    assert view.preview is not None and view.preview.startswith(b"\x89PNG")
    held.go()
    assert over(desk, job).preview is None


def test_jobs_wait_in_the_order_in_which_they_came(
    desk: Desk, video: Path, settings: EditOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Held(monkeypatch)
    jobs = [desk.submit(video, [f"a red car {number}"], settings) for number in range(3)]
    held.wait()
    assert [(desk.view(job).state, desk.view(job).before) for job in jobs] == [
        ("running", 0),
        ("waiting", 1),
        ("waiting", 2),
    ]
    held.go()
    views = [over(desk, job) for job in jobs]
    assert [view.state for view in views] == ["done"] * 3
    assert sorted(views, key=lambda view: view.version) == views


@pytest.mark.parametrize("phase", ["batches of frames read", "inverting", "sampling", "frames written"])
def test_a_job_is_stopped_within_a_step(
    desk: Desk, video: Path, settings: EditOptions, monkeypatch: pytest.MonkeyPatch, phase: str
) -> None:
    stopped = desk.submit
    taken = on_item(monkeypatch, phase, lambda: desk.stop(str(desk.current)))
    job, after = stopped(video, PROMPT, settings), stopped(video, ["a blue car"], settings)
    view = over(desk, job)
    assert view.state == "cancelled" and len(taken) == 1
    folder = desk.settings_of(job).options.out
    assert folder is not None and (read_run(folder).state, list(folder.glob("*.mp4"))) == ("cancelled", [])
    assert over(desk, after).state == "done"


def test_a_job_is_stopped_while_it_waits(
    desk: Desk, video: Path, settings: EditOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Held(monkeypatch)
    first, second = desk.submit(video, PROMPT, settings), desk.submit(video, ["a blue car"], settings)
    held.wait()
    desk.stop(second)
    assert desk.view(second).state == "cancelled"
    held.go()
    assert over(desk, first).state == "done" and desk.view(second).state == "cancelled"
    desk.go_on(second)
    assert over(desk, second).state == "done"


def test_what_is_wrong_is_told_before_it_waits(desk: Desk, video: Path, settings: EditOptions) -> None:
    for prompts, options, says in (
        ([""], settings, "the prompt is empty"),
        (PROMPT, settings.replaced(editor="nobody"), "unknown editor"),
        (PROMPT, settings.replaced(start=3.0, end=2.0), "expected a start"),
        (["a car", "a dog"], settings.replaced(compare=True), "takes one prompt"),
    ):
        with pytest.raises(InputError, match=says):
            desk.submit(video, prompts, options)
    with pytest.raises(InputError, match="no such file"):
        desk.submit(video.with_name("b.mp4"), PROMPT, settings)
    assert desk.history() == ()


def test_an_error_costs_one_job(desk: Desk, video: Path, settings: EditOptions, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    bad = desk.submit(video, PROMPT, settings.replaced(model=str(tmp_path / "empty")))
    good = desk.submit(video, PROMPT, settings)
    view = over(desk, bad)
    assert view.state == "failed" and "empty" in view.message and view.hint
    assert str(tmp_path) not in view.message + view.hint
    assert over(desk, good).state == "done"
    record = read_run(desk.view(bad).asked.options.out or Path())
    assert record.state == "failed" and record.error and record.hint == view.hint


def test_a_fault_of_ours_is_logged(
    desk: Desk, video: Path, settings: EditOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    def faulty(*_: object) -> None:
        raise TypeError("a fault")

    monkeypatch.setattr(Kept, "__call__", faulty)
    view = over(desk, desk.submit(video, PROMPT, settings))
    assert (view.state, view.message) == ("failed", "TypeError: a fault") and "report" in view.hint
    (line,) = (view.asked.options.out / "log.jsonl").read_text().splitlines()  # type: ignore[operator]
    assert "in faulty" in json.loads(line)["fault"]


def keep_every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    original = StepKeeper.after

    def keeping(self: StepKeeper, *args: Any) -> None:
        self.seconds = 0
        original(self, *args)

    monkeypatch.setattr(StepKeeper, "after", keeping)


def test_what_goes_on_gives_the_same_bytes(
    options: AppOptions, video: Path, settings: EditOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped, then interrupted by the program's end, then finished by another desk."""
    settings = settings.replaced(steps=4)
    (straight,) = edit(video, PROMPT, settings.replaced(out=tmp_path / "straight"))
    keep_every_step(monkeypatch)
    with Desk(options) as desk:
        with monkeypatch.context() as patched:
            on_item(patched, "sampling", lambda: desk.stop(str(desk.current)))
            job = desk.submit(video, PROMPT, settings)
            assert over(desk, job).state == "cancelled"
        with monkeypatch.context() as patched:
            held = Held(patched)
            desk.go_on(job)
            held.wait()
            folder = desk.settings_of(job).options.out
            assert folder is not None and (folder / "unfinished.safetensors").is_file()

            closing = Thread(target=desk.close)
            closing.start()
            while not desk._closing:
                time.sleep(0.01)
            held.go()
            closing.join()
    with Desk(options) as desk:
        assert desk.view(job).state == "unfinished" and desk.view(job).goes_on
        desk.go_on(job)
        view = over(desk, job)
        assert view.state == "done", view
        assert view.results[0].read_bytes() == straight.video.read_bytes()
        with pytest.raises(InputError, match="cannot go on"):
            desk.go_on(job)


def test_the_history_survives_a_restart(
    options: AppOptions, video: Path, settings: EditOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Desk(options) as desk:
        done = desk.submit(video, PROMPT, settings.replaced(seed=3))
        before = over(desk, done)
        held = Held(monkeypatch)
        running = desk.submit(video, PROMPT, settings)
        held.wait()
        waiting = desk.submit(video, ["a dog", "a cat"], settings)
        held.go()
    shutil.copytree(before.results[0].parent, options.runs / "of-the-command-line")
    (options.runs / "broken").mkdir()
    (options.runs / "broken" / "run.toml").write_text("command = 3")
    with Desk(options) as desk:
        states = {view.id: view.state for view in desk.history()}
        assert states.pop(running) in ("unfinished", "done")
        assert states == {done: "done", waiting: "unfinished", "of-the-command-line": "done"}
        after = desk.view(done)
        assert (after.results, after.asked.prompts, after.asked.video) == (
            before.results,
            before.asked.prompts,
            before.asked.video,
        )
        assert desk.settings_of(done).options == before.asked.options
        assert desk.view(waiting).asked.prompts == ("a dog", "a cat")
        desk.go_on(waiting)
        assert len(over(desk, waiting).results) == 2


def test_a_folder_has_one_desk(desk: Desk, options: AppOptions) -> None:
    with pytest.raises(RunError, match="another app has this folder"):
        Desk(options)


@pytest.mark.parametrize("job", ["nothing", "..", "", "../runs", "a/b", ".app", "uploads"])
def test_what_is_no_job(desk: Desk, job: str) -> None:
    with pytest.raises(NoSuchJob):
        desk.view(job)


def test_a_comparison_is_a_job(desk: Desk, video: Path, settings: EditOptions) -> None:
    view = over(desk, desk.submit(video, PROMPT, settings.replaced(compare=True, steps=1)))
    assert (view.kind, view.state) == ("compare", "done"), view
    names = [path.name for path in view.results]
    assert names[:2] == ["comparison.mp4", "source.mp4"] and "framewise.mp4" in names


def test_an_adaptor_is_trained_and_then_used(
    desk: Desk, video: Path, settings: EditOptions, tiny_folder: Path
) -> None:
    options = PersonalOptions(
        model=str(tiny_folder),
        device="cpu",
        shows=("a red car",),
        steps=2,
        batch=2,
        watch_every=1,
        preview_every=0,
        size=32,
        held_out=1,
    )
    view = over(desk, desk.train(video, options))
    assert (view.kind, view.state, view.videos) == ("train", "done", ()), view
    (adaptor,) = view.results
    done = over(desk, desk.submit(video, PROMPT, settings.replaced(adaptor=str(adaptor))))
    assert done.state == "done", done
    assert desk.history()[1].kind == "train"


def test_listening_ends_with_a_change_or_with_its_time(
    desk: Desk, video: Path, settings: EditOptions
) -> None:
    version = desk.version
    assert desk.listen(version, 0.01) == version
    desk.submit(video, PROMPT, settings)
    assert desk.listen(version, 60) > version


def test_a_job_as_words_and_as_python(desk: Desk, video: Path, tiny_folder: Path) -> None:
    asked = Asked(video, ("a red car", "a dog"), tiny_edit(tiny_folder))
    assert asked.words[:5] == ["frameweave", "edit", str(video), "a red car", "a dog"]
    assert "--no-use-cache" in asked.words and "--out" not in asked.words
    assert asked.words[asked.words.index("--steps") + 1] == "2"
    trained = Asked(video, (), PersonalOptions(data=str(video), shows=("a gizmo",)))
    assert trained.words == ["frameweave", "train", "personal", str(video), "--shows", "a gizmo"]
    for one in (asked, trained, Asked(video, ("a car",), tiny_edit(tiny_folder, compare=True))):
        compile(one.python, "copied", "exec")


def test_python_does_what_the_job_did(desk: Desk, video: Path, settings: EditOptions, tmp_path: Path) -> None:
    view = over(desk, desk.submit(video, PROMPT, settings))
    place = f"options = EditOptions(out=Path({str(tmp_path / 'again')!r}),"
    script = view.asked.python.replace("options = EditOptions(", place)
    exec(script, {})
    assert (tmp_path / "again" / view.results[0].name).read_bytes() == view.results[0].read_bytes()
    assert app_options(tmp_path).runs == tmp_path / "runs"


def test_a_run_of_another_program_is_seen(
    desk: Desk, video: Path, settings: EditOptions, options: AppOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While it works nobody stops it from here, and its end is seen too."""
    monkeypatch.setattr(history, "_BETWEEN", 0.0)
    before = desk.look()
    assert desk.look() == before
    job = desk.submit(video, PROMPT, settings)
    made = over(desk, job).results[0].parent
    copied = made.with_name("edit-of-others")
    shutil.copytree(made, copied)
    finished = read_toml(copied / RUN_FILE)
    write_toml(copied / RUN_FILE, {name: one for name, one in finished.items() if name != "result"})
    after = desk.look()
    assert after != before
    with locked(copied):
        view = desk.view("edit-of-others")
        assert (view.state, view.elsewhere) == ("running", True)
        with pytest.raises(InputError, match="another program works at it"):
            desk.stop("edit-of-others")
    assert not desk.view("edit-of-others").elsewhere and not desk.view(job).elsewhere
    write_toml(copied / RUN_FILE, finished)
    assert desk.look() != after
