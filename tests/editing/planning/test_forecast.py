"""What is planned for, how figures come together, and what is refused before any work."""

from pathlib import Path

import pytest
import torch

from frameweave.cli.results import edit_planned
from frameweave.editing.options import EditOptions, PlanEditOptions
from frameweave.editing.planning.forecast import plan_edit
from frameweave.editing.planning.source import Source, source_of
from frameweave.errors import InputError, RunError
from frameweave.progress import SILENT
from frameweave.runs.settings import Settings
from videos import colour_ramp, write_video


def options(folder: Path, **others: object) -> PlanEditOptions:
    return PlanEditOptions(
        model=str(folder), device="cpu", **{"editor": "framewise", "steps": 6, "frames": 3} | others
    )


def test_it_takes_what_edit_takes() -> None:
    assert EditOptions.model_fields.keys() | {"timed"} == PlanEditOptions.model_fields.keys()


def test_a_video_and_its_size_give_the_same_figures(tiny_folder: Path, tmp_path: Path) -> None:
    video = write_video(tmp_path / "a.mp4", colour_ramp(5, (48, 32)), fps=5)
    asked = options(tiny_folder, size=48)
    by_video = plan_edit(str(video), ["a red car"], asked)
    by_size = plan_edit("48x32", [], asked)
    assert by_video.rows == by_size.rows and by_video.size == by_size.size == (48, 32)
    assert by_video.frames == by_size.frames == 3
    assert by_size.calls == 2 * 6 and by_size.pictures == 2 * 3
    assert by_size.host_bytes == 0 and by_size.fits
    assert [row.name for row in by_size.rows] == ["read", "edit", "write"]
    assert all(row.device_bytes > by_size.weight_bytes > 0 for row in by_size.rows)
    all_frames = source_of(str(video), EditOptions(), SILENT)
    assert all_frames == Source((48, 32), 5)
    part = EditOptions(start="0.2s", end="0.6s")
    assert source_of(str(video), part, SILENT).frames == 2


def test_time_grows_with_steps_frames_and_prompts(tiny_folder: Path) -> None:
    def edited(*prompts: str, **others: object) -> float:
        return plan_edit("32x32", prompts, options(tiny_folder, **others)).rows[1].flops

    once = edited("a car")
    assert edited("a car", steps=12) == pytest.approx(2 * once)
    assert edited("a car", "a dog") == pytest.approx(2 * once)
    assert edited("a car", frames=6) == pytest.approx(2 * once, rel=0.02)  # the texts stay


def test_one_call_is_timed(tiny_folder: Path) -> None:
    found = plan_edit("32x32", [], options(tiny_folder, timed=True))
    assert found.speed.told_by.startswith("one timed call") and found.seconds(found.rows[1]) > 0


def test_the_adaptor_and_depth_count(tiny_folder: Path) -> None:
    plain, adapted = (
        plan_edit("64x64", [], PlanEditOptions(frames=1, steps=1, device="cpu", adaptor=name))
        for name in (None, "miniature")
    )
    assert adapted.weight_bytes > plain.weight_bytes
    steered = plan_edit("32x32", [], options(tiny_folder, editor="text2video_zero"))
    assert steered.weight_bytes > plan_edit("32x32", [], options(tiny_folder)).weight_bytes


def test_what_does_not_fit_is_told_with_what_to_turn_down(
    tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("frameweave.editing.planning.forecast.free_bytes", lambda device: 1000)
    (told,) = edit_planned(plan_edit("32x32", [], options(tiny_folder, frames=2)))
    warning = "more than the memory that is free now: give lower settings (--set chunk_size=16)"
    assert told["warning"].startswith(warning)
    assert told["read"].keys() == {"gib", "minutes"} and told["pictures_per_call"] == 4


@pytest.mark.parametrize(
    ("text", "others", "message"),
    [
        ("nothing.mp4", {}, "nothing.mp4: no such file, and no size of frames"),
        ("64x64", {"frames": None}, "not how many frames; give --frames"),
        ("0x64", {}, "frames of 0 x 64 pixels"),
        ("64x64", {"compare": True}, "--compare cannot be planned"),
        ("64x64", {"editor": "vid2vid"}, "unknown editor 'vid2vid'"),
    ],
)
def test_refused(text: str, others: dict[str, object], message: str, tiny_folder: Path) -> None:
    with pytest.raises(InputError, match=message):
        plan_edit(text, [], options(tiny_folder, **others))


def test_an_editor_that_needs_values_is_told(tiny_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def edit(self: Settings, request: object) -> torch.Tensor:
        return request.x_0[request.x_0 > 0]  # pyright: ignore

    monkeypatch.setattr("frameweave.editors.framewise.Framewise.edit", edit)
    with pytest.raises(RunError, match="Framewise cannot be planned by shapes alone"):
        plan_edit("32x32", [], options(tiny_folder))
