"""What people and programs are told of an edit."""

from pathlib import Path

import pytest

from frameweave.cli import console, results
from frameweave.cli.works import edit
from frameweave.editing.edit import Edited
from frameweave.editing.edit import edit as edit_video
from frameweave.editing.options import EditOptions
from frameweave.editing.planning.beforehand import beforehand
from frameweave.models.loading.load import load
from frameweave.progress import SILENT, Notes
from frameweave.runs.cache_folder import first_time
from videos import colour_ramp, write_video


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write_video(tmp_path / "clip.mp4", colour_ramp(3, (32, 32)))


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRAMEWEAVE_CACHE", str(tmp_path / "cache"))


def test_a_result_has_path_size_and_seconds(clip: Path) -> None:
    size = clip.stat().st_size
    took = {"load": 1.0, "edit": 40.4}
    (line,) = results.edited([Edited(clip, took)])
    assert line == {str(clip): f"32 x 32, 3 frames, {max(1, size / 1000):.0f} kB, 41 s"}
    first, second, last = results.edited([Edited(clip, took), Edited(clip, took)])
    assert first == second and not first[str(clip)].endswith(" s") and last == {"all": "41 s"}


def test_programs_get_paths_and_parts(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "machine", lambda: True)
    (told,) = results.edited([Edited(clip, {"load": 1.0})])
    assert told == {"videos": [str(clip)], "seconds": {"load": 1.0}}


def test_the_app_is_named_once_and_to_people_only(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def named() -> bool:
        return any("frameweave app" in str(line) for line in results.edited([Edited(clip, {"load": 1.0})]))

    assert not named()  # no terminal reads it
    monkeypatch.setattr(console.err, "_force_terminal", True)
    assert [named(), named()] == [True, False]


def test_where_nothing_can_be_kept_it_is_never_the_first_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("FRAMEWEAVE_CACHE", str(tmp_path / "file" / "cache"))
    assert not first_time("app")


class Told(Notes):
    """Keeps the loops too."""

    def __init__(self) -> None:
        super().__init__()
        self.loops: dict[str, int] = {}

    def track(self, items, what, total=None):
        for done, item in enumerate(items, 1):
            yield item
            self.loops[what] = done


def options(folder: Path, editor: str = "framewise", **others: object) -> EditOptions:
    return EditOptions(model=str(folder), device="cpu", editor=editor, steps=2, size=32, **others)


def test_an_edit_is_one_bar_that_ends(clip: Path, tiny_folder: Path, tmp_path: Path) -> None:
    told = Told()
    prompts = ["a red car", "a blue car"]
    edit(clip, prompts, options(tiny_folder, out=tmp_path / "run"), progress=told)
    assert told.loops == {"frames looked at": 3, "percent of the edit": 100}
    (line,) = [text for text in told.texts if text.startswith("this edit takes")]
    assert line.startswith("this edit takes about ") and line.endswith(" GiB of memory")


def test_programs_are_told_of_every_loop(
    clip: Path, tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console, "machine", lambda: True)
    told = Told()
    edit(clip, ["a red car"], options(tiny_folder, out=tmp_path / "run"), progress=told)
    assert told.loops == {
        "frames looked at": 3,
        "batches of frames read": 1,
        "inverting": 2,
        "sampling": 2,
        "frames written": 3,
    }


def test_the_same_bytes_whether_anybody_watches(clip: Path, tiny_folder: Path, tmp_path: Path) -> None:
    made = []
    for name, progress in (("watched", Told()), ("quiet", SILENT)):
        (done,) = edit(clip, ["a red car"], options(tiny_folder, out=tmp_path / name), progress=progress)
        made.append(done.video.read_bytes())
    assert made[0] == made[1]


@pytest.mark.parametrize("editor", ["framewise", "delta", "tokenflow", "vid2vid_zero"])
def test_the_loops_that_are_told_beforehand_are_those_that_come(
    clip: Path, tiny_folder: Path, tmp_path: Path, editor: str
) -> None:
    asked = options(tiny_folder, editor=editor, source_prompt="a car")
    found = beforehand(clip, ["a red car"], asked, load(str(tiny_folder), device="cpu"))
    assert found is not None and 0 < found.between[0] <= found.between[1]
    whole = sum(seconds for _, seconds in found.parts)
    assert 0.95 * found.between[0] <= whole <= 1.05 * found.between[1]
    told = Told()

    edit_video(clip, ["a red car"], asked.replaced(out=tmp_path / "run"), progress=told)
    come = [
        name
        for name in told.loops
        if name not in ("frames looked at", "batches of frames whose motion is found")
    ]
    assert [name for name, _ in found.parts] == come


def test_several_prompts_take_longer_but_one_inversion(clip: Path, tiny_folder: Path) -> None:
    model, asked = load(str(tiny_folder), device="cpu"), options(tiny_folder)
    names = [name for name, _ in beforehand(clip, ["a", "b"], asked, model).parts]
    assert names == [
        "batches of frames read",
        "inverting",
        "sampling",
        "frames written",
        "sampling",
        "frames written",
    ]
