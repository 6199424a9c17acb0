"""A comparison edits as `edit` does: every setting of it acts in the panels, or is refused."""

import shutil
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from frameweave.editing.comparing.compare import compare
from frameweave.editing.edit import edit
from frameweave.editing.model_options import ModelOptions
from frameweave.editing.options import EditOptions
from frameweave.editors import registry
from frameweave.errors import InputError
from frameweave.progress import Notes
from frameweave.runs.run import read_run
from frameweave.video import probe, read_frames
from videos import colour_ramp, write_video

EDITORS = ("delta", "text2video_zero", "vidtome")
ACT: dict[str, dict[str, Any]] = {
    "start": {"start": 0.3},
    "end": {"end": 0.3},
    "frames": {"frames": 3},
    "fps": {"fps": 3.0},
    "mask": {"mask": "mask.png"},
    "negative_prompt": {"negative_prompt": "a blue boat"},
    "source_prompt": {"source_prompt": "a green boat"},
    "steps": {"steps": 2},
    "guidance": {"guidance": 2.0},
    "guidance_rescale": {"guidance_rescale": 0.7},
    "seed": {"seed": 3},
    "size": {"size": 48},
    "set": {"set": ("radius=0",)},
    "sampler": {"sampler": "euler"},
    "spacing": {"spacing": "trailing"},
    "eta": {"eta": 0.5, "sampler": "ddim"},
    "as_published": {"as_published": True},
    "flow": {"flow": "none"},
    "steady": {"steady": 1.0},
    "steady_radius": {"steady": 1.0, "steady_radius": 1},
    "crf": {"crf": 45},
}
REFUSED: dict[str, dict[str, Any]] = {
    "anchor": {"anchor": ("0=mask.png",)},
    "control_map": {"control_map": ("depth=mask.png",)},
    "preview_every": {"preview_every": 1},
}
IN_THE_MODEL = {"zero_snr"} | set(ModelOptions.model_fields)
"""Where `edit` and `compare` load it, by the same function."""
NOT_OF_PICTURES = {
    *("editor", "compare", "audio", "check_inversion", "cache", "use_cache", "preview"),
    *("out", "overwrite", "resume"),
}


@pytest.fixture
def options(tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> EditOptions:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(registry, "names", lambda: list(EDITORS))
    Image.fromarray(np.repeat(np.uint8([[0, 255]]), (25, 25), 1).repeat(30, 0)).save("mask.png")
    return EditOptions(
        model=str(tiny_folder),
        device="cpu",
        steps=4,
        compare=True,
        out=tmp_path / "run",
        use_cache=False,
    )


@pytest.fixture
def video(tmp_path: Path) -> Path:
    ground = np.random.default_rng(0).integers(0, 255, (10, 17, 3), np.uint8).repeat(3, 0).repeat(3, 1)
    moving = np.stack([np.roll(ground, 6 * number, 1)[:, :50] for number in range(4)])
    return write_video(tmp_path / "a.mp4", moving, fps=6)


def panels(video: Path, options: EditOptions) -> dict[str, bytes]:
    compare(video, "a red car", options)
    return {path.name: path.read_bytes() for path in sorted(options.out.glob("[dtv]*.mp4"))}


def test_all_settings_are_known_here() -> None:
    own = set(EditOptions.model_fields) - IN_THE_MODEL
    assert own == set(ACT) | set(REFUSED) | NOT_OF_PICTURES


@pytest.mark.parametrize("setting", ACT)
def test_a_setting_acts(options: EditOptions, video: Path, tmp_path: Path, setting: str) -> None:
    asked = options.replaced(**ACT[setting], out=tmp_path / "asked")
    without = {name: value for name, value in ACT[setting].items() if name != setting}
    assert panels(video, options.replaced(**without)) != panels(video, asked)


@pytest.mark.parametrize("setting", REFUSED)
def test_what_no_comparison_can_is_refused(options: EditOptions, video: Path, setting: str) -> None:
    with pytest.raises(InputError, match=setting.replace("_", "-")):
        compare(video, "a red car", options.replaced(**REFUSED[setting]))


@pytest.mark.parametrize("editor", EDITORS)
def test_a_panel_is_the_edit(options: EditOptions, video: Path, tmp_path: Path, editor: str) -> None:
    compare(video, "a red car", options.replaced(crf=0))
    alone = options.replaced(compare=False, editor=editor, crf=0, out=tmp_path / "alone.mp4")
    edit(video, ["a red car"], alone)
    panel = [frame.pixels for frame in read_frames(options.out / f"{editor}.mp4")]
    assert np.array_equal(panel, [frame.pixels for frame in read_frames(tmp_path / "alone.mp4")])


def test_the_rest_of_the_pictures_stays_as_it_is(options: EditOptions, tmp_path: Path) -> None:
    video = write_video(tmp_path / "smooth.mp4", colour_ramp(4, (50, 30)), fps=6)
    compare(video, "a red car", options.replaced(mask=Path("mask.png"), crf=0))
    source = [frame.pixels.astype(int) for frame in read_frames(video)]
    for name in EDITORS:
        edited = [frame.pixels.astype(int) for frame in read_frames(options.out / f"{name}.mp4")]
        change = np.abs(np.stack(edited) - np.stack(source))
        assert change[:, :, :24].mean() < 2 < change[:, :, 26:].mean()


def test_times_and_shape_of_pixels_are_the_source_s(options: EditOptions, tmp_path: Path) -> None:
    times = [Fraction(t, 100) for t in (0, 10, 15, 70)]
    wide = write_video(tmp_path / "b.mp4", colour_ramp(4, (48, 32)), times=times, pixel_shape=Fraction(2))
    files = compare(wide, "a red car", options.replaced(start=0.1))
    for name in ("source", *EDITORS):
        made = options.out / f"{name}.mp4"
        assert [frame.time for frame in read_frames(made)] == [time - times[1] for time in times[1:]]
        assert probe(made).pixel_shape == 2
    sheet = probe(Path(files["comparison_mp4"]))
    assert [frame.time for frame in read_frames(sheet.path)] == [time - times[1] for time in times[1:]]
    assert sheet.width / 4 > 1.4 * sheet.height  # four panels of 96 x 32 and their names


def test_editors_without_a_published_program_are_named(options: EditOptions, video: Path) -> None:
    notes = Notes()
    compare(video, "a red car", options.replaced(as_published=True), progress=notes)
    assert "without a published program: delta" in notes.texts


def test_an_editor_that_cannot_edit_this_clip_is_left_out(
    options: EditOptions, video: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "names", lambda: ["delta", "tokenflow"])
    asked, notes = options.replaced(as_published=True), Notes()
    compare(video, "a red car", asked, progress=notes)
    assert any(text.startswith("tokenflow is left out: 4 frames, as published") for text in notes.texts)
    assert read_run(options.out).result["panels"] == ["source", "delta"]
    monkeypatch.setattr(registry, "names", lambda: ["tokenflow"])
    with pytest.raises(InputError, match="as published at least 8"):
        compare(video, "a red car", asked.replaced(overwrite=True))


def test_a_mask_that_does_not_fit_is_refused(options: EditOptions, video: Path, tmp_path: Path) -> None:
    shutil.copy(video, tmp_path / "mask.mp4")
    with pytest.raises(InputError, match="a mask of 4 frames, expected 2"):
        compare(video, "a red car", options.replaced(mask=tmp_path / "mask.mp4", frames=2))
