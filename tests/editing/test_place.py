"""Where edits go: numbered folders, files of their own; what is never written over or taken for finished."""

from pathlib import Path

import pytest

from frameweave.editing.edit import edit
from frameweave.editing.generate import generate
from frameweave.editing.options import EditOptions, GenerateOptions
from frameweave.errors import InputError, RunError
from frameweave.progress import Notes
from frameweave.runs.run import read_run
from frameweave.video import probe
from videos import blobs, write_video


@pytest.fixture
def options(tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> EditOptions:
    monkeypatch.chdir(tmp_path)
    return EditOptions(
        model=str(tiny_folder), device="cpu", editor="framewise", steps=1, cache=tmp_path / "cache"
    )


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return write_video(tmp_path / "a.mp4", blobs(2))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != "cache")


def test_each_edit_gets_a_folder_and_latest_leads_to_the_last(options: EditOptions, video: Path) -> None:
    for prompt in ("A red car!", "a duck"):
        edit(video, [prompt], options)
    assert names(Path("runs")) == ["edit-0001-a-red-car", "edit-0002-a-duck", "latest"]
    assert Path("runs/latest/edited.mp4").samefile("runs/edit-0002-a-duck/edited.mp4")


def test_a_file_and_its_record_are_all_that_is_written(
    options: EditOptions, video: Path, tmp_path: Path
) -> None:
    asked = options.replaced(out=tmp_path / "red.mp4")
    (done,) = edit(video, ["a red car"], asked)
    assert done.video == tmp_path / "red.mp4" and probe(done.video).frames == 2
    assert names(tmp_path) == ["a.mp4", "red.mp4", "red.mp4.toml"]
    assert read_run(tmp_path / "red.mp4.toml").input["prompts"] == ["a red car"]
    notes, before = Notes(), done.video.stat().st_mtime_ns
    edit(video, ["a red car"], asked, progress=notes)
    assert "this edit is finished already" in notes.texts and done.video.stat().st_mtime_ns == before
    with pytest.raises(RunError, match="its run has prompts"):
        edit(video, ["a duck"], asked)
    done.video.write_bytes(b"cut")
    edit(video, ["a red car"], asked)
    assert probe(done.video).frames == 2
    edit(video, ["a duck"], asked.replaced(overwrite=True))
    assert read_run(tmp_path / "red.mp4.toml").input["prompts"] == ["a duck"]
    several = edit(video, ["a red car", "a duck"], options.replaced(out=tmp_path / "two.gif"))
    assert [one.video.name for one in several] == ["two-1.gif", "two-2.gif"]


def test_what_no_run_wrote_is_never_written_over(options: EditOptions, video: Path, tmp_path: Path) -> None:
    (tmp_path / "red.mp4").write_bytes(b"mine")
    for overwrite in (False, True):
        with pytest.raises(RunError, match="no run wrote it"):
            edit(video, ["x"], options.replaced(out=tmp_path / "red.mp4", overwrite=overwrite))
    with pytest.raises(InputError, match="given both as the video and as --out"):
        edit(video, ["x"], options.replaced(out=video, overwrite=True))
    with pytest.raises(InputError, match="cannot write .avi"):
        edit(video, ["x"], options.replaced(out=tmp_path / "red.avi"))
    assert (tmp_path / "red.mp4").read_bytes() == b"mine"
    assert names(tmp_path) == ["a.mp4", "red.mp4"]


@pytest.mark.parametrize("content", [b"", b"cut"])
def test_a_damaged_result_is_edited_again(
    options: EditOptions, video: Path, tmp_path: Path, content: bytes
) -> None:
    asked = options.replaced(out=tmp_path / "run")
    (done,) = edit(video, ["x"], asked)
    whole = done.video.read_bytes()
    done.video.write_bytes(content)
    edit(video, ["x"], asked)
    assert done.video.read_bytes() == whole


def test_another_video_under_the_same_name_is_told(options: EditOptions, video: Path, tmp_path: Path) -> None:
    asked = options.replaced(out=tmp_path / "run")
    (done,) = edit(video, ["x"], asked)
    before = done.video.read_bytes()
    write_video(video, blobs(2, 5))
    with pytest.raises(RunError, match=f"video {video} has changed since it began"):
        edit(video, ["x"], asked)
    assert done.video.read_bytes() == before


def test_a_cut_video_costs_no_earlier_result(options: EditOptions, video: Path, tmp_path: Path) -> None:
    asked = options.replaced(out=tmp_path / "run", overwrite=True)
    (done,) = edit(video, ["x"], asked)
    (tmp_path / "run" / "notes.txt").write_text("mine")
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(write_video(tmp_path / "b.mp4", blobs(9), faststart=True).read_bytes()[:2000])
    with pytest.raises(InputError):
        edit(cut, ["x"], asked)
    assert done.video.is_file()
    edit(video, ["y"], asked)
    assert names(tmp_path / "run") == ["edited.mp4", "notes.txt", "run.toml"]


def test_a_clip_from_text_goes_to_a_file(options: EditOptions, tmp_path: Path) -> None:
    made = GenerateOptions(model=options.model, device="cpu", steps=20, frames=2, size=16)
    assert generate("a fish", made.replaced(out=tmp_path / "fish.mp4")).video == tmp_path / "fish.mp4"
    assert generate("a fish", made).video == Path("runs/generate-0001-a-fish/generated.mp4")
    assert names(tmp_path) == ["fish.mp4", "fish.mp4.toml", "runs"]


def test_a_record_of_several_videos_stays(options: EditOptions, video: Path, tmp_path: Path) -> None:
    asked = options.replaced(out=tmp_path / "red.mp4")
    edit(video, ["a red car", "a blue car"], asked)
    with pytest.raises(RunError, match="its run has prompts"):
        edit(video, ["a red car"], asked)
    edit(video, ["a red car", "a blue car"], asked)  # it is finished
    assert read_run(tmp_path / "red-2.mp4").input["prompts"] == ["a red car", "a blue car"]
    edit(video, ["a red car"], asked.replaced(overwrite=True))
