"""The edit job from file to file, on the tiny model."""

import math
import shutil
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from frameweave.editing.comparing.compare import compare
from frameweave.editing.edit import Edited, edit
from frameweave.editing.generate import generate
from frameweave.editing.options import EditOptions, GenerateOptions
from frameweave.editors import registry, running
from frameweave.editors.base import Editor
from frameweave.errors import AdaptorMismatch, InputError, ModelFolderError, RunError
from frameweave.models.stable_diffusion import StableDiffusion
from frameweave.progress import SILENT, Notes, Progress
from frameweave.runs.run import Run, read_run
from frameweave.video import probe, read_frames
from frameweave.video.clip import Clip
from frameweave.world.clips import held_out_clips
from killed import Killed, kill_after
from tiny import new_adaptor, save_tower
from videos import colour_ramp, sound_packets, write_video


@pytest.fixture
def options(tiny_folder: Path, tmp_path: Path) -> EditOptions:
    return EditOptions(
        model=str(tiny_folder),
        device="cpu",
        editor="framewise",
        steps=2,
        out=tmp_path / "run",
        cache=tmp_path / "cache",
    )


def edited(video: Path, options: EditOptions, *, progress: Progress = SILENT) -> Edited:
    """One prompt, one result."""
    return edit(video, ["a red car"], options, progress=progress)[0]


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return write_video(tmp_path / "a.mp4", colour_ramp(6, (50, 30)), fps=6, sound=1)


@pytest.mark.parametrize("editor", registry.names())
def test_size_times_and_sound_are_kept(options: EditOptions, video: Path, editor: str) -> None:
    done = edited(video, options.replaced(editor=editor))
    before, after = probe(video), probe(done.video)
    assert (after.width, after.height, after.fps) == (before.width, before.height, before.fps)
    assert [f.time for f in read_frames(done.video)] == [f.time for f in read_frames(video)]
    assert sound_packets(done.video) == sound_packets(video) != []


def test_uneven_times_and_rotation(options: EditOptions, tmp_path: Path) -> None:
    times = [Fraction(t, 100) for t in (0, 10, 15, 70)]
    video = write_video(tmp_path / "b.mov", colour_ramp(4, (48, 32)), times=times, rotation=90)
    done = edited(video, options)
    assert done.video.suffix == ".mov"
    assert [f.time for f in read_frames(done.video)] == times
    assert (probe(done.video).width, probe(done.video).height) == (32, 48)


def test_the_shape_of_pixels_is_kept_or_the_loss_is_told(options: EditOptions, tmp_path: Path) -> None:
    wide = write_video(tmp_path / "b.mkv", colour_ramp(2, (48, 32)), pixel_shape=Fraction(2))
    kept, lost = Notes(), Notes()
    assert probe(edited(wide, options, progress=kept).video).pixel_shape == 2
    assert "pixels of 2:1 are read as squares" in kept.texts
    renamed = shutil.copy(wide, tmp_path / "c.webm")  # read by its contents, written by its name
    assert probe(edited(renamed, options.replaced(overwrite=True), progress=lost).video).pixel_shape == 1
    untold = "this format cannot tell the shape of pixels: the result is shown with square ones"
    assert untold in lost.texts and untold not in kept.texts


def test_another_frame_rate_keeps_the_duration(options: EditOptions, video: Path) -> None:
    done = edited(video, options.replaced(fps=3))
    info = probe(done.video)
    assert (info.frames, info.fps) == (3, 3)


def test_the_run_says_what_was_done(options: EditOptions, video: Path) -> None:
    edit(video, ["a red car"], options.replaced(frames=2, seed=7))
    run_file = read_run(options.out)
    assert run_file.input == {"video": str(video), "prompts": ["a red car"]}
    assert run_file.settings["seed"] == 7
    assert run_file.result["frames_edited"] == 2
    assert set(run_file.result["seconds"]) == {"load", "read", "edit", "write"}


def test_settings_of_the_editor(options: EditOptions, video: Path) -> None:
    same, other = (
        edited(video, options.replaced(set=setting, out=options.out / name)).video.read_bytes()
        for name, setting in (("a", ("strength=1.0",)), ("b", ("strength=0.5",)))
    )
    assert same != other
    with pytest.raises(InputError, match="'strenght'.*did you mean strength"):
        edit(video, ["a red car"], options.replaced(set=("strenght=1",)))
    with pytest.raises(InputError, match="write it as name=value"):
        edit(video, ["a red car"], options.replaced(set=("strength",)))
    with pytest.raises(InputError, match="strength is much, expected a number"):
        edit(video, ["a red car"], options.replaced(set=("strength=much",)))
    with pytest.raises(InputError, match="noise is foo, expected one of inverted, random"):
        edit(video, ["a red car"], options.replaced(editor="tokenflow", set=("noise=foo",)))


@pytest.mark.parametrize(
    ("changes", "prompt", "error", "message"),
    [
        ({}, " ", InputError, "the prompt is empty"),
        ({"steps": 0}, "x", InputError, "steps is 0"),
        ({"frames": 0}, "x", InputError, "frames is 0"),
        ({"fps": 0.0}, "x", InputError, "fps is 0"),
        ({"fps": math.nan}, "x", InputError, "fps is nan"),
        ({"fps": math.inf}, "x", InputError, "fps is inf"),
        ({"size": -64}, "x", InputError, "size is -64"),
        ({"guidance": math.nan}, "x", InputError, "guidance is nan, expected a finite number"),
        ({"preview_every": -2}, "x", InputError, "preview_every is -2"),
        ({"adaptor_strength": 0.5}, "x", InputError, "adaptor_strength without an adaptor.*--adaptor"),
        ({"adaptor_schedule": "garbage"}, "x", InputError, "adaptor_schedule without an adaptor"),
        ({"tokens": True}, "x", InputError, "tokens without an adaptor"),
        ({"set": ("strength=5",)}, "x", InputError, "strength is 5, expected 0 to 1"),
        ({"editor": "framewize"}, "x", InputError, "did you mean framewise"),
        ({"model": "absent"}, "x", ModelFolderError, "no such folder"),
    ],
)
def test_wrong_settings(
    options: EditOptions,
    video: Path,
    changes: dict[str, object],
    prompt: str,
    error: type[Exception],
    message: str,
) -> None:
    with pytest.raises(error, match=message):
        edit(video, [prompt], options.replaced(**changes))


def test_the_adaptor_s_steps_are_told(
    options: EditOptions, video: Path, tiny: StableDiffusion, tmp_path: Path
) -> None:
    new_adaptor(tiny, base=options.model).save(tmp_path / "adaptor")
    adapted = options.replaced(adaptor=str(tmp_path / "adaptor"), overwrite=True)

    def told(**changes: object) -> list[str]:
        notes = Notes()
        edit(video, ["a red car"], adapted.replaced(**changes), progress=notes)
        return [text for text in notes.texts if "adaptor" in text]

    nothing = "; WARNING: take more steps or --adaptor-window steps"
    assert told() == [f"the adaptor acts by its LoRA in 0 of 2 steps{nothing}"]
    assert told(adaptor_window="steps") == ["the adaptor acts by its LoRA in 1 of 2 steps"]
    once: dict[str, object] = {"steps": 20, "frames": 1}
    both = "the adaptor acts by its LoRA in 2 of 20 steps and prompt tokens in 2 of 20 steps"
    assert told(**once, tokens=True) == [both]
    chosen = new_adaptor(tiny, base=options.model)
    card = replace(chosen.card, strength_schedules={"framewise": "0-1:0"}, tokens_for=["framewise"])
    replace(chosen, card=card).save(tmp_path / "adaptor")
    assert told(**once) == ["the adaptor acts by its prompt tokens in 2 of 20 steps"]
    silent = ["the adaptor does nothing: its LoRA is silent, and no prompt tokens act"]
    assert told(**once, tokens=False) == silent
    assert told(**once, adaptor_schedule="0.9-1:1", tokens=False)[0].startswith(
        "the adaptor acts by its LoRA"
    )
    new_adaptor(tiny, base="another/model").save(tmp_path / "adaptor")
    assert told()[0].startswith(f"the adaptor was trained on another/model, the model is {options.model}")


def test_a_vision_tower_that_the_tokens_were_not_trained_with_is_told(
    options: EditOptions, video: Path, tiny: StableDiffusion, tmp_path: Path
) -> None:
    adaptor = new_adaptor(tiny, base=options.model)
    assert tiny.vision_tower is not None
    card = replace(adaptor.card, vision="a tower", vision_digest=tiny.vision_tower.digest)
    replace(adaptor, card=card).save(tmp_path / "adaptor")
    adapted = options.replaced(adaptor=str(tmp_path / "adaptor"), tokens=True, steps=20, frames=1)
    with pytest.raises(
        AdaptorMismatch, match=r"tower of width 12 sees \(a tower\), the model's has width 16"
    ):
        edit(video, ["a red car"], adapted.replaced(vision=save_tower(tmp_path / "wide", 16)))
    assert not options.out.exists()

    def told(**changes: object) -> list[str]:
        notes = Notes()
        edit(video, ["a red car"], adapted.replaced(overwrite=True, **changes), progress=notes)
        return [text for text in notes.texts if "vision tower" in text]

    assert told() == []
    other = save_tower(tmp_path / "other")
    assert told(vision=other, tokens=False) == []
    assert told(vision=other)[0].startswith(
        "the adaptor's prompt tokens were trained with the vision tower a tower"
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"adaptor_window": "steps"},
        {"adaptor_window": "steps", "adaptor_in_inversion": False},
        {"adaptor_window": "steps", "tokens": True},
        {"adaptor_window": "steps", "tokens": True, "vision_frame": "first"},
    ],
)
def test_each_way_to_use_an_adaptor_changes_the_video(
    options: EditOptions, video: Path, tiny: StableDiffusion, tmp_path: Path, changes: dict[str, object]
) -> None:
    new_adaptor(tiny).save(tmp_path / "adaptor")
    plain = options.replaced(adaptor=str(tmp_path / "adaptor"), adaptor_strength=2.0, overwrite=True)
    fewer = plain.replaced(**dict(list(changes.items())[:-1]))  # all but the last change
    before = edited(video, fewer).video.read_bytes()
    assert edited(video, plain.replaced(**changes)).video.read_bytes() != before


def test_tokens_may_be_declined_where_there_is_no_adaptor(options: EditOptions, video: Path) -> None:
    """Runs of before say so, and so does a table of which some lines have no adaptor."""
    assert edited(video, options.replaced(tokens=False, frames=1)).video.is_file()


def test_tokens_without_a_vision_tower_cost_no_earlier_result(
    options: EditOptions, video: Path, tiny: StableDiffusion, tiny_folder: Path, tmp_path: Path
) -> None:
    shutil.copytree(tiny_folder, tmp_path / "model", ignore=shutil.ignore_patterns("clip"))
    adaptor = new_adaptor(tiny, base=str(tmp_path / "model"))
    replace(adaptor, card=replace(adaptor.card, tokens_for=["vidtome"])).save(tmp_path / "adaptor")
    earlier = edited(video, options.replaced(frames=1)).video
    asked = options.replaced(model=str(tmp_path / "model"), adaptor=str(tmp_path / "adaptor"), frames=1)
    asked = asked.replaced(editor="vidtome", overwrite=True)
    for job in (edited, lambda video, options: compare(video, "a red car", options)):
        with pytest.raises(ModelFolderError, match="prompt tokens act in vidtome, .* no vision tower"):
            job(video, asked)
        assert earlier.is_file()
    assert edited(video, asked.replaced(tokens=False)).video.is_file()
    made = GenerateOptions(model=asked.model, adaptor=asked.adaptor, tokens=True, frames=2, steps=20)
    generate("a red car", made.replaced(editor="text2video_zero", out=tmp_path / "made"))


def test_a_taken_folder(options: EditOptions, video: Path) -> None:
    edit(video, ["a red car"], options.replaced(frames=1))
    with pytest.raises(RunError, match="holds a run already"):
        edited(video, options)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"model": "absent"}, ModelFolderError),
        ({"adaptor": "absent"}, ModelFolderError),
        ({"device": "gpu"}, InputError),
        ({"steps": -5}, InputError),
        ({"steps": 5000}, InputError),
        ({"size": -64}, InputError),
        ({"start": 500.0}, InputError),
        ({"editor": "tokenflow", "set": ("keyframe_interval=-3",)}, InputError),
        ({"compare": True, "adaptor": "absent"}, ModelFolderError),
    ],
)
def test_wrong_input_costs_no_earlier_result_and_no_folder(
    options: EditOptions, video: Path, tmp_path: Path, changes: dict[str, Any], error: type[Exception]
) -> None:
    earlier = Run.planned(tmp_path / "earlier", "edit", options).start().folder / "edited.mp4"
    earlier.write_bytes(b"precious")
    for others in ({}, {"out": tmp_path / "earlier", "overwrite": True}):
        with pytest.raises(error):
            chosen = options.replaced(**changes, **others)
            if chosen.compare:
                compare(video, "a red car", chosen)
            else:
                edited(video, chosen)
    assert earlier.read_bytes() == b"precious"
    assert not options.out.exists()


def test_a_video_in_the_run_folder_is_never_removed(options: EditOptions, video: Path) -> None:
    earlier = Run.planned(options.out, "edit", options).start().folder / "edited.mp4"
    shutil.copy(video, earlier)
    for job in (edited, lambda video, options: compare(video, "a red car", options)):
        with pytest.raises(InputError, match="lies in the run folder"):
            job(earlier, options.replaced(overwrite=True))
    assert earlier.read_bytes() == video.read_bytes()


@pytest.mark.parametrize("changes", [{"fps": 0.0}, {"frames": 0}, {"steps": 3}, {"model": "absent"}])
def test_a_clip_that_cannot_be_made_leaves_no_folder(
    tiny_folder: Path, tmp_path: Path, changes: dict[str, Any]
) -> None:
    options = GenerateOptions(model=str(tiny_folder), device="cpu", size=16, out=tmp_path / "run")
    with pytest.raises((InputError, ModelFolderError)):
        generate("a red car", options.replaced(**changes))
    assert not options.out.exists()


def test_generate(tiny_folder: Path, tmp_path: Path) -> None:
    options = GenerateOptions(
        model=str(tiny_folder), device="cpu", steps=20, frames=3, fps=4, size=16, out=tmp_path / "run"
    )
    info = probe(generate("a red car", options).video)
    assert (info.width, info.height, info.frames, info.fps) == (16, 16, 3, 4)
    with pytest.raises(InputError, match="cannot make one from text"):
        generate("a red car", options.replaced(editor="framewise"))


def pixels(path: Path) -> list[np.ndarray]:
    return [picture.pixels.astype(int) for picture in read_frames(path)]


def test_only_a_range_is_edited(options: EditOptions, video: Path) -> None:
    done = edited(video, options.replaced(start=0.5, end=0.7))
    before, after = pixels(video), pixels(done.video)
    assert len(after) == len(before) == 6
    changed = [float(abs(a - b).mean()) > 8 for a, b in zip(after, before, strict=True)]
    assert changed == [False, False, False, True, True, False]
    with pytest.raises(InputError, match="no frame lies in the range"):
        edited(video, options.replaced(start=90, overwrite=True))


def test_only_what_the_mask_shows_is_edited(options: EditOptions, video: Path, tmp_path: Path) -> None:
    white = np.zeros((30, 50, 3), np.uint8)
    white[:, :25] = 255
    Image.fromarray(white).save(tmp_path / "mask.png")
    done = edited(video, options.replaced(mask=tmp_path / "mask.png"))
    for before, after in zip(pixels(video), pixels(done.video), strict=True):
        assert abs(after - before)[:, :20].mean() > 8
        assert abs(after - before)[:, 30:].mean() < 4  # the video code's own loss


def test_several_prompts_share_the_inversion(options: EditOptions, video: Path) -> None:
    notes = Notes()
    done = edit(video, ["a red car", "a green car"], options, progress=notes)
    assert [one.video.name for one in done] == ["edited-1.mp4", "edited-2.mp4"]
    assert done[0].video.read_bytes() != done[1].video.read_bytes()
    assert notes.texts.count("this clip is inverted already: that part is skipped") == 1
    again = Notes()
    edit(video, ["a red car"], options.replaced(overwrite=True), progress=again)
    assert any("inverted already" in text for text in again.texts)
    fresh = Notes()
    edit(video, ["a red car"], options.replaced(overwrite=True, use_cache=False), progress=fresh)
    assert not any("inverted already" in text for text in fresh.texts)


@pytest.mark.parametrize("editor", registry.names())
def test_a_killed_run_goes_on(
    options: EditOptions, video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, editor: str
) -> None:
    """Killed after the second of four steps, it gives the bytes of a run that was not."""
    options = options.replaced(steps=4, editor=editor, frames=3)
    whole = edited(video, options.replaced(out=tmp_path / "whole")).video.read_bytes()
    kill_after(2, monkeypatch)
    with pytest.raises(Killed):
        edited(video, options)
    monkeypatch.undo()
    with pytest.raises(RunError, match="has steps = 4, this one 5"):
        edited(video, options.replaced(steps=5, resume=True))
    notes = Notes()
    done = edited(video, options.replaced(resume=True), progress=notes)
    assert "going on after 2 of 4 steps" in notes.texts
    assert done.video.read_bytes() == whole
    assert not (options.out / "unfinished.safetensors").exists()


def test_previews(options: EditOptions, video: Path) -> None:
    edited(video, options.replaced(steps=4, preview_every=2))
    assert sorted(path.name for path in options.out.glob("preview-*.png")) == [
        "preview-002.png",
        "preview-004.png",
    ]


def test_as_published(options: EditOptions, video: Path) -> None:
    edited(video, options.replaced(editor="vidtome", as_published=True))
    with pytest.raises(InputError, match="the editor framewise has no published program"):
        edited(video, options.replaced(as_published=True, out=options.out / "b"))


def test_a_single_picture(options: EditOptions, tmp_path: Path) -> None:
    Image.fromarray(np.full((20, 30, 3), 99, np.uint8)).save(tmp_path / "a.png")
    assert probe(edited(tmp_path / "a.png", options).video).frames == 1


def test_every_editor_in_one_grid(options: EditOptions, video: Path) -> None:
    notes = Notes()
    files = compare(video, "a red car", options.replaced(frames=2), progress=notes)
    assert set(files) == {"report_html", "comparison_mp4", "comparison_gif", "slices_png"}
    assert all(Path(file).is_file() for file in files.values())
    assert (probe(options.out / "tokenflow.mp4").width, probe(options.out / "tokenflow.mp4").frames) == (
        50,
        2,
    )
    page = Path(files["report_html"]).read_text()
    assert 'src="tokenflow.mp4"' in page and 'src="tokenflow.png"' in page
    panels = read_run(options.out).result["panels"]
    assert panels[0] == "source" and {"tokenflow", "vidtome"} <= set(panels)
    slow = options.replaced(frames=2, fps=3, overwrite=True)
    assert probe(Path(compare(video, "a red car", slow)["comparison_mp4"])).fps == 3


def test_a_comparison_keeps_every_edit_as_it_is_finished(
    options: EditOptions, video: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed at the third editor, it goes on there; the finished edits are not touched."""
    original, calls = running.edit_clip, list[str]()

    def killing(editor: Editor, *args: Any, **others: Any) -> Clip:
        calls.append(type(editor).__name__)
        if len(calls) == 3:
            raise Killed
        return original(editor, *args, **others)

    monkeypatch.setattr(running, "edit_clip", killing)
    with pytest.raises(Killed):
        compare(video, "a red car", options.replaced(frames=2))
    kept = {path: path.stat().st_mtime_ns for path in options.out.glob("*.mp4")}
    assert len(kept) == 3  # the source's and two edits
    files = compare(video, "a red car", options.replaced(frames=2))
    assert len(calls) == len(registry.names()) + 1
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    again = Notes()
    assert compare(video, "a red car", options.replaced(frames=2), progress=again) == files
    assert "this comparison is finished already" in again.texts


def test_a_wide_clip_is_compared(options: EditOptions, tmp_path: Path) -> None:
    """Its panels are scaled to fit; three of them beside each other would be too wide for the encoder."""
    video = write_video(tmp_path / "wide.mp4", colour_ramp(2, (1280, 720)), fps=6)
    files = compare(video, "a red car", options.replaced(steps=1))
    sheet = probe(Path(files["comparison_mp4"]))
    assert sheet.width <= 1920 and sheet.width % 2 == sheet.height % 2 == 0
    assert probe(Path(files["comparison_gif"])).width <= 960
    assert (probe(options.out / "framewise.mp4").width, probe(options.out / "framewise.mp4").height) == (
        1280,
        720,
    )


def test_edits_without_the_adaptor_take_none_of_its_inversions(
    options: EditOptions, video: Path, tiny: StableDiffusion, tmp_path: Path
) -> None:
    new_adaptor(tiny, base=options.model).save(tmp_path / "adaptor")
    cached = options.replaced(frames=2)
    asked = cached.replaced(adaptor=str(tmp_path / "adaptor"), adaptor_window="steps", adaptor_strength=2.0)
    edited(video, asked.replaced(out=tmp_path / "adapted"))
    kept = set((tmp_path / "cache").glob("*.latents"))
    compare(video, "a red car", asked)
    compared = set((tmp_path / "cache").glob("*.latents"))
    edited(video, cached.replaced(out=tmp_path / "plain"))
    assert set((tmp_path / "cache").glob("*.latents")) == compared > kept > set()


@pytest.mark.parametrize("editor", registry.names())
@pytest.mark.parametrize(
    ("frames", "size", "padded"),
    [(1, (33, 19), "32 x 20"), (2, (20, 50), "16 x 32"), (7, (31, 45), "24 x 32")],
)
def test_odd_sizes_and_counts(
    options: EditOptions, tmp_path: Path, editor: str, frames: int, size: tuple[int, int], padded: str
) -> None:
    """The tiny model works at 32 pixels, in multiples of 4: all three are padded, and cropped back."""
    video = write_video(tmp_path / "odd.mp4", colour_ramp(frames, size), fps=6, pixel_format="yuv444p")
    notes = Notes()
    done = edited(video, options.replaced(editor=editor), progress=notes)
    info = probe(done.video)
    assert (info.width, info.height) == size
    assert len(pixels(done.video)) == frames
    assert f"frames are padded to {padded} while they are edited" in notes.texts


def test_a_mask_that_does_not_fit_is_refused_before_anything_is_loaded(
    options: EditOptions, video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(_options: EditOptions) -> StableDiffusion:
        raise AssertionError("the model was loaded")

    monkeypatch.setattr("frameweave.editing.edit.load_model", forbidden)
    mask = write_video(tmp_path / "mask.mp4", colour_ramp(3, (50, 30)), fps=6)
    for changes, frames in (({}, 6), ({"frames": 4}, 4), ({"start": 0.5, "end": 0.7}, 2)):
        with pytest.raises(
            InputError, match=f"mask.mp4: a mask of 3 frames, expected {frames}, as many as are edited"
        ):
            edited(video, options.replaced(mask=mask, **changes))
    with pytest.raises(InputError, match="absent.png: no such file"):
        edited(video, options.replaced(mask=tmp_path / "absent.png"))
    assert not options.out.exists()


@pytest.mark.parametrize(
    ("editor", "setting"),
    [("text2video_zero", ()), ("tokenflow", ("controlnet=true",)), ("vidtome", ("variant=depth",))],
)
@pytest.mark.parametrize(
    ("folder", "message"),
    [
        ("controlnet", "has no depth ControlNet; .*--controlnet"),
        ("depth_estimator", "estimator; .*--depth-model"),
    ],
)
def test_depth_that_the_model_cannot_give_is_said_before_the_video_is_encoded(
    options: EditOptions,
    video: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    editor: str,
    setting: tuple[str, ...],
    folder: str,
    message: str,
) -> None:
    def forbidden(self: StableDiffusion, *_: Any) -> Any:
        raise AssertionError("heavy work")

    model = tmp_path / "model"
    shutil.copytree(options.model, model, ignore=shutil.ignore_patterns(folder))
    monkeypatch.setattr(StableDiffusion, "encode", forbidden)
    monkeypatch.setattr(StableDiffusion, "predict", forbidden)
    with pytest.raises(ModelFolderError, match=f"{editor} needs depth, and .*{message}"):
        edited(video, options.replaced(model=str(model), editor=editor, set=setting))


@pytest.mark.parametrize(
    ("folder", "what"), [("controlnet", "depth ControlNet"), ("depth_estimator", "depth estimator")]
)
def test_the_grid_leaves_out_what_needs_depth_that_is_not_there(
    options: EditOptions, video: Path, tmp_path: Path, folder: str, what: str
) -> None:
    shutil.copytree(options.model, tmp_path / "model", ignore=shutil.ignore_patterns(folder))
    notes = Notes()
    compare(video, "a red car", options.replaced(model=str(tmp_path / "model"), frames=1), progress=notes)
    assert f"text2video_zero is left out: the model has no {what}" in notes.texts
    assert "text2video_zero" not in read_run(options.out).result["panels"]


def test_resuming_with_other_input_is_refused(options: EditOptions, video: Path, tmp_path: Path) -> None:
    """The finished video of another prompt would be taken for the new one's."""
    before = edited(video, options).video.read_bytes()
    resumed = options.replaced(resume=True)
    with pytest.raises(RunError, match="its run has prompts"):
        edit(video, ["a green car"], resumed)
    with pytest.raises(RunError, match="its run has video"):
        edited(write_video(tmp_path / "b.mp4", colour_ramp(2, (50, 30)), fps=6), resumed)
    assert edited(video, resumed).video.read_bytes() == before


def test_the_inversion_is_checked_on_request(options: EditOptions) -> None:
    """On the packaged model, which knows what it inverts."""
    held_out, notes = held_out_clips()[0], Notes()
    asked = options.replaced(model="miniature", steps=20, frames=2, source_prompt=held_out.caption)
    edited(held_out.path, asked.replaced(check_inversion=True), progress=notes)
    (text,) = (text for text in notes.texts if text.startswith("sampling back from the inversion"))
    assert 25 < float(text.split()[-2]) < 60
