"""Edits made steadier from file to file, on the tiny model."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from frameweave.editing.comparing.compare import compare
from frameweave.editing.edit import Edited, edit
from frameweave.editing.options import EditOptions, PlanEditOptions
from frameweave.editing.planning.forecast import plan_edit
from frameweave.editing.steadying.figures import Measuring
from frameweave.editors import registry
from frameweave.errors import InputError
from frameweave.progress import Notes
from frameweave.runs.run import read_run
from frameweave.video import probe, read_frames
from killed import Killed, kill_after
from videos import blobs, sound_packets, write_video

PROMPTS = ["a red car", "a blue car"]


@pytest.fixture
def options(tiny_folder: Path, tmp_path: Path) -> EditOptions:
    return EditOptions(
        model=str(tiny_folder),
        device="cpu",
        editor="framewise",
        steps=2,
        steady=1,
        out=tmp_path / "run",
        cache=tmp_path / "cache",
    )


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """48 x 30, whose height is padded, with sound."""
    return write_video(tmp_path / "a.mp4", blobs(6)[:, :30], fps=6, sound=1)


def edited(video: Path, options: EditOptions) -> Edited:
    return edit(video, PROMPTS[:1], options)[0]


def pixels(video: Path) -> np.ndarray:
    return np.stack([frame.pixels for frame in read_frames(video)]).astype(float)


@pytest.mark.parametrize("editor", registry.names())
def test_every_editor_is_made_steadier(options: EditOptions, video: Path, editor: str) -> None:
    options = options.replaced(editor=editor)
    done = edited(video, options)
    assert [f.time for f in read_frames(done.video)] == [f.time for f in read_frames(video)]
    assert (probe(done.video).width, probe(done.video).height) == (48, 30)
    assert sound_packets(done.video) == sound_packets(video) != []
    figures = read_run(options.out).result["steadied"]["edited.mp4"]
    assert 0 < figures["temporal_error_after"] < figures["temporal_error_before"]
    assert 0 < figures["sharpness_after"] < 2 * figures["sharpness_before"]
    assert {"steady", "write"} <= done.seconds.keys()


def test_off_is_as_if_there_were_none(options: EditOptions, video: Path) -> None:
    off = edited(video, options.replaced(steady=None))
    nothing = edited(video, options.replaced(steady=0, out=options.out.with_name("0")))
    assert off.video.read_bytes() == nothing.video.read_bytes()
    run = read_run(options.out)
    assert not {"steady", "steady_radius"} & run.settings.keys()
    assert "steadied" not in run.result
    with pytest.raises(InputError, match="steady_radius without steady"):
        options.replaced(steady=0, steady_radius=3)
    for wrong in ({"steady": 1.5}, {"steady": -1}, {"steady_radius": 0}, {"steady_radius": 9}):
        with pytest.raises(InputError, match=r"steady(_radius)? is .*, expected .* to "):
            options.replaced(**wrong)


def test_strength_and_radius_count(options: EditOptions, video: Path) -> None:
    def error(name: str, **changes: object) -> float:
        edited(video, options.replaced(out=options.out / name, **changes))
        return read_run(options.out / name).result["steadied"]["edited.mp4"]["temporal_error_after"]

    errors = [error("0", steady=0.5), error("1", steady_radius=1), error("2"), error("3", steady_radius=4)]
    assert errors == sorted(errors, reverse=True)


def test_a_killed_run_goes_on_with_all_figures(
    options: EditOptions, video: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = options.replaced(steps=3)
    whole = edit(video, PROMPTS, options.replaced(out=options.out.with_name("longer")))
    with monkeypatch.context() as patch:
        kill_after(2, patch)
        with pytest.raises(Killed):
            edit(video, PROMPTS, options)
    with monkeypatch.context() as patch:  # in the second prompt, when the first one is written
        original = Measuring.figures

        def killing(self: Measuring) -> None:
            patch.setattr(Measuring, "figures", lambda _: (_ for _ in ()).throw(Killed))
            return original(self)

        patch.setattr(Measuring, "figures", killing)
        with pytest.raises(Killed):
            edit(video, PROMPTS, options)
    done = edit(video, PROMPTS, options)
    for one, other in zip(done, whole, strict=True):
        assert one.video.read_bytes() == other.video.read_bytes()
    runs = [read_run(options.out), read_run(options.out.with_name("longer"))]
    assert runs[0].result["steadied"] == runs[1].result["steadied"]
    assert set(runs[0].result["steadied"]) == {"edited-1.mp4", "edited-2.mp4"}
    assert not (options.out / "steadied.json").exists()


def test_outside_of_mask_and_range_the_source_stays(
    options: EditOptions, video: Path, tmp_path: Path
) -> None:
    mask = np.zeros((30, 48), np.uint8)
    mask[:, 24:] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    options = options.replaced(mask=tmp_path / "mask.png", start=0.3, end=0.8)
    change = np.abs(pixels(video) - pixels(edited(video, options).video))
    assert change[:, :, :20].mean() < 3
    assert change[[0, 1, 5]].mean() < 3
    assert change[2:5, :, 26:].mean() > 10


def test_a_file_alone_has_its_figures_beside_it(options: EditOptions, video: Path, tmp_path: Path) -> None:
    notes = Notes()
    options = options.replaced(out=tmp_path / "red.mp4", preview=False)
    edit(video, PROMPTS[:1], options, progress=notes)
    assert "temporal_error_after" in read_run(tmp_path / "red.mp4").result["steadied"]["red.mp4"]
    assert any(text.startswith("made steadier: temporal error ") for text in notes.texts)
    assert not list(tmp_path.glob(".red*"))
    edit(video, PROMPTS[:1], options, progress=notes)
    assert "this edit is finished already" in notes.texts


def test_one_frame_has_no_temporal_error(options: EditOptions, video: Path) -> None:
    edited(video, options.replaced(frames=1))
    figures = read_run(options.out).result["steadied"]["edited.mp4"]
    assert figures.keys() == {"sharpness_before", "sharpness_after"}
    assert figures["sharpness_before"] == figures["sharpness_after"]


def test_it_is_planned(options: EditOptions) -> None:
    """The source's latents, too, for an editor that does not use the source."""
    asked = {**options.table(), "editor": "text2video_zero"}
    plain = {name: value for name, value in asked.items() if name != "steady"}
    with_, without = (
        plan_edit("64x48", PROMPTS, PlanEditOptions(**one, frames=20)) for one in (asked, plain)
    )
    for name, row, other in zip(("read", "edit", "write"), with_.rows, without.rows, strict=True):
        assert row.device_bytes >= other.device_bytes
        assert (row.flops > other.flops) == (name != "edit")


def test_a_comparison_is_made_steadier(options: EditOptions, video: Path) -> None:
    off = options.replaced(steady=None, compare=True, frames=2, steps=1, out=options.out / "off")
    compare(video, PROMPTS[0], off)
    compare(video, PROMPTS[0], off.replaced(steady=1, out=options.out / "on"))
    names = ("framewise.mp4", "source.mp4")
    same = [
        (options.out / "off" / name).read_bytes() == (options.out / "on" / name).read_bytes()
        for name in names
    ]
    assert same == [False, True]


def test_figures_by_hand() -> None:
    """A still checkerboard. An edit has half its contrast and jumps by 0.2, a steadier one half as much."""
    y, x = torch.meshgrid(torch.arange(16), torch.arange(24), indexing="ij")
    board = ((x + y) % 2).float().expand(1, 3, -1, -1) * 0.4 + 0.2
    measuring = Measuring()
    measuring.add(board, board * 0.5, board * 0.25)
    measuring.add(board, board * 0.5 + 0.2, board * 0.25 + 0.1)
    found = measuring.figures()
    assert found.temporal_error_before == pytest.approx(0.2, abs=1e-4)
    assert found.temporal_error_after == pytest.approx(0.1, abs=1e-4)
    assert (found.sharpness_before, found.sharpness_after) == pytest.approx((0.5, 0.25))
    assert found.told == "0.2000 -> 0.1000, sharpness 0.50 -> 0.25"
    flat = Measuring()
    flat.add(torch.zeros(1, 3, 8, 8), board[..., :8, :8], board[..., :8, :8])
    assert flat.figures().model_dump(exclude_none=True) == {}
    assert flat.figures().told == "unknown -> unknown, sharpness unknown -> unknown"
