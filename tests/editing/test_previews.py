"""Previews while an edit goes on: what is written, who is told, and that the edit is the same."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from frameweave.editing import previews
from frameweave.editing.comparing.compare import compare
from frameweave.editing.edit import edit
from frameweave.editing.generate import generate
from frameweave.editing.options import EditOptions, GenerateOptions
from frameweave.editing.previews import PreviewFiles, enlarged
from frameweave.errors import InputError
from frameweave.models.previews import LatentColours
from frameweave.progress import Notes
from frameweave.video import probe
from frameweave.video.clip import Clip


@pytest.fixture
def video(tmp_path: Path) -> Path:
    Clip.of(torch.rand(3, 3, 16, 24, generator=torch.Generator().manual_seed(0)), fps=5).write(
        tmp_path / "clip.mp4"
    )
    return tmp_path / "clip.mp4"


@pytest.fixture
def options(tiny_folder: Path, tmp_path: Path) -> EditOptions:
    return EditOptions(model=str(tiny_folder), steps=3, device="cpu", out=tmp_path / "run", use_cache=False)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {"run.toml", "log.jsonl"}


def test_files_show_the_clip_and_the_edit_is_the_same(
    options: EditOptions, video: Path, tmp_path: Path
) -> None:
    (plain,) = edit(video, ["a red car"], options.replaced(out=tmp_path / "plain"))
    assert names(tmp_path / "plain") == {"edited.mp4"}
    (done,) = edit(video, ["a red car"], options.replaced(preview=True))
    assert done.video.read_bytes() == plain.video.read_bytes()
    assert names(options.out or Path()) == {"edited.mp4", "preview.mp4", "preview.png"}
    info = probe(tmp_path / "run" / "preview.mp4")
    assert (info.frames, float(info.fps)) == (3, 5)
    assert max(info.width, info.height) >= 200 and not info.width % 2 and not info.height % 2
    assert np.asarray(Image.open(tmp_path / "run" / "preview.png")).std() > 1


def test_without_previews_nothing_is_computed_for_them(
    options: EditOptions, video: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LatentColours, "of", None)
    edit(video, ["a red car"], options)


def test_somebody_is_told_of_each_step(options: EditOptions, video: Path, tmp_path: Path) -> None:
    told: list[tuple[int, Tensor]] = []
    edit(video, ["a red car"], options, on_preview=lambda done, frames: told.append((done, frames)))
    assert [done for done, _ in told] == [1, 2, 3]
    assert all(frames.min() >= 0 and frames.max() <= 1 and len(frames) == 3 for _, frames in told)
    assert not (tmp_path / "run" / "preview.mp4").exists()


def test_a_clip_made_from_text(options: EditOptions, tmp_path: Path) -> None:
    told: list[int] = []
    asked = GenerateOptions(model=options.model, steps=20, frames=2, device="cpu", out=tmp_path / "plain")
    plain = generate("a red car", asked)
    shown = asked.replaced(out=tmp_path / "shown", preview=True)
    done = generate("a red car", shown, on_preview=lambda count, _frames: told.append(count))
    assert done.video.read_bytes() == plain.video.read_bytes() and told
    assert names(tmp_path / "shown") == {"generated.mp4", "preview.mp4", "preview.png"}
    assert names(tmp_path / "plain") == {"generated.mp4"}


def test_a_comparison(options: EditOptions, video: Path, tmp_path: Path) -> None:
    compare(
        video, "a red car", options.replaced(frames=2, steps=1, preview=True, set=("framewise.strength=1",))
    )
    assert {"preview.mp4", "preview.png", "framewise.mp4"} <= names(tmp_path / "run")


def test_a_run_goes_on_with_or_without_them(
    options: EditOptions, video: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes = Notes()
    edit(video, ["a red car"], options)
    edit(video, ["a red car"], options.replaced(preview=True), progress=notes)
    assert "this edit is finished already" in notes.texts


def test_previews_need_a_folder(options: EditOptions, video: Path, tmp_path: Path) -> None:
    asked = options.replaced(preview=True, out=tmp_path / "red.mp4")
    with pytest.raises(InputError, match="--preview with the file .*red.mp4 as --out"):
        edit(video, ["a red car"], asked)
    with pytest.raises(InputError, match="--preview with the file"):
        generate("a car", GenerateOptions(out=tmp_path / "red.mp4", preview=True, model=options.model))


def test_many_steps_write_few_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now, written = [0.0], list[int]()

    def write(self: Clip, path: Path) -> None:
        now[0] += 1.0  # it takes a second
        written.append(len(self))

    monkeypatch.setattr(previews.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(Clip, "write", write)
    files = PreviewFiles(tmp_path, 8)
    for done in range(100):
        now[0] += 0.5
        files(done, torch.rand(2, 3, 4, 4))
    assert 4 <= len(written) <= 6
    files.finish()
    files.finish()
    assert len(written) <= 7


def test_what_cannot_be_written_stops_no_edit(tmp_path: Path) -> None:
    notes = Notes()
    files = PreviewFiles(tmp_path / "gone" / "folder", 8, notes)
    (tmp_path / "gone").write_text("in the way")
    for done in range(3):
        files(done, torch.rand(2, 3, 4, 4))
        files.finish()
    assert len(notes.texts) == 1 and "previews are not written" in notes.texts[0]


@pytest.mark.parametrize("size", [(1, 1), (9, 11), (128, 128), (68, 120), (300, 2)])
def test_sides_are_even(size: tuple[int, int]) -> None:
    height, width = enlarged(torch.rand(1, 3, *size)).shape[2:]
    assert not height % 2 and not width % 2 and max(height, width) >= 240


def test_a_long_clip_is_shown_in_part(tmp_path: Path) -> None:
    PreviewFiles(tmp_path, 10)(1, torch.rand(640, 3, 4, 4))
    info = probe(tmp_path / "preview.mp4")
    assert info.frames == 64 and float(info.fps) == 1
