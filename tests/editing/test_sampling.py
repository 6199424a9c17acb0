"""Samplers by their flags: what is told before any work, what a model's files say, and what is kept."""

import json
from dataclasses import replace
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest
import torch

from frameweave.editing import edit as edit_module
from frameweave.editing.adapting import adapted
from frameweave.editing.comparing.compare import compare
from frameweave.editing.edit import edit
from frameweave.editing.generate import generate
from frameweave.editing.options import EditOptions, GenerateOptions
from frameweave.editing.sampling import sampler_of
from frameweave.editing.setup import editor_of, load_model
from frameweave.editors import registry
from frameweave.errors import InputError, ModelFolderError
from frameweave.models.loading import device
from frameweave.models.stable_diffusion import StableDiffusion
from frameweave.progress import Notes
from killed import Killed, kill_after
from videos import colour_ramp, write_video


@pytest.fixture
def options(tiny_folder: Path, tmp_path: Path) -> EditOptions:
    return EditOptions(
        model=str(tiny_folder),
        device="cpu",
        editor="framewise",
        steps=4,
        out=tmp_path / "run",
        cache=tmp_path / "cache",
    )


@pytest.fixture
def text_options(tiny_folder: Path, tmp_path: Path) -> GenerateOptions:
    return GenerateOptions(model=str(tiny_folder), device="cpu", steps=4, frames=2, out=tmp_path / "text")


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return write_video(tmp_path / "a.mp4", colour_ramp(3, (32, 32)), fps=6)


def saying(folder: Path, target: Path, **changes: object) -> str:
    """A copy of a model's folder whose scheduler's file says something else."""
    copytree(folder, target)
    file = target / "scheduler" / "scheduler_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))
    return str(target)


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (
            {"editor": "vid2vid_zero", "sampler": "euler"},
            "vid2vid_zero with the sampler euler, expected ddim",
        ),
        ({"sampler": "lcm"}, "framewise with the sampler lcm, expected ddim or euler .* it draws noise anew"),
        ({"sampler": "ddim", "eta": 0.5}, r"framewise with the eta 0.5, expected 0"),
        ({"eta": 0.5}, "--eta without a sampler"),
        ({"sampler": "euler", "eta": 0.5}, "eta with the sampler euler, expected ddim or tcd"),
        ({"editor": "tokenflow", "as_published": True, "spacing": "trailing"}, "its published program has"),
        ({"editor": "tokenflow", "as_published": True, "sampler": "euler"}, "expected ddim"),
        (
            {"editor": "tokenflow", "as_published": True, "zero_snr": True},
            "--zero-snr: tokenflow has a noise",
        ),
        ({"editor": "vid2vid_zero", "guidance_rescale": 0.5}, r"guidance_rescale 0.5, expected 0"),
        (
            {"editor": "text2video_zero", "set": ("variant=instruct",), "spacing": "trailing"},
            "spacing trailing, expected none: it has its own",
        ),
        (
            {"editor": "text2video_zero", "sampler": "lcm", "spacing": "karras"},
            "spacing karras with the sampler lcm",
        ),
    ],
)
def test_what_an_editor_cannot_use_is_told_before_anything_is_loaded(
    options: EditOptions, video: Path, monkeypatch: pytest.MonkeyPatch, asked: dict[str, Any], told: str
) -> None:
    monkeypatch.setattr(edit_module, "load_model", lambda *_: pytest.fail("a model was loaded"))
    with pytest.raises(InputError, match=told):
        edit(video, ["a red car"], options.replaced(**asked))
    assert options.out is not None
    assert not options.out.exists()


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"sampler": "dpmpp_2s"}, "sampler is dpmpp_2s, expected one of ddim"),
        ({"spacing": "kerras"}, "spacing is kerras, expected one of leading"),
        ({"eta": 1.5}, r"eta is 1.5, expected"),
        ({"guidance_rescale": -1}, "guidance_rescale is -1, expected"),
    ],
)
def test_settings_that_make_no_sense(options: EditOptions, asked: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError, match=told) as caught:
        options.replaced(**asked)
    if "sampler" in asked:
        assert "did you mean dpmpp_2m" in caught.value.hint


def test_generate_takes_the_model_s_own_sampler_and_an_inversion_ddim(
    options: EditOptions, text_options: GenerateOptions, tiny_folder: Path, tmp_path: Path
) -> None:
    said = {
        "LCMScheduler": "lcm",
        "EulerDiscreteScheduler": "euler",
        "DPMSolverMultistepScheduler": "dpmpp_2m",
        "PNDMScheduler": "ddim",
    }
    for kind, name in said.items():
        folder = saying(tiny_folder, tmp_path / kind, _class_name=kind, use_karras_sigmas=name == "dpmpp_2m")
        own = text_options.replaced(model=folder)
        model, editor = load_model(own), editor_of(own)
        chosen = sampler_of(own, model, editor, sees_source=False)
        assert (chosen.name, chosen.spacing) == (name, "karras" if name == "dpmpp_2m" else None)
        assert sampler_of(own.replaced(sampler="euler_a"), model, editor, sees_source=False).name == "euler_a"
        inverting = options.replaced(model=folder)
        assert sampler_of(inverting, model, editor_of(inverting)).name == "ddim"
        published = own.replaced(set=("as_published=true",))
        assert sampler_of(published, model, editor_of(published), sees_source=False).name == "ddim"


def test_a_model_made_for_few_steps_is_inverted_with_a_word(
    options: EditOptions, video: Path, tiny_folder: Path, tmp_path: Path
) -> None:
    folder, notes = saying(tiny_folder, tmp_path / "lcm", _class_name="LCMScheduler"), Notes()
    edit(video, ["a red car"], options.replaced(model=folder), progress=notes)
    assert any("made for the sampler lcm" in text for text in notes.texts)


def test_a_clip_from_text_in_four_steps(text_options: GenerateOptions) -> None:
    for name in ("lcm", "euler", "unipc"):
        done = generate("a red car", text_options.replaced(sampler=name, overwrite=True))
        assert done.video.is_file()
    with pytest.raises(InputError, match="51 steps, expected 1 to 50"):
        generate("a red car", text_options.replaced(sampler="lcm", steps=51, overwrite=True))


def test_pure_noise_at_the_start(
    options: EditOptions, video: Path, tiny_folder: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="--zero-snr with a model that predicts noise"):
        edit(video, ["a red car"], options.replaced(zero_snr=True))
    folder = saying(tiny_folder, tmp_path / "v", prediction_type="v_prediction")
    asked = options.replaced(model=folder, zero_snr=True)
    model = load_model(asked)
    sampler = sampler_of(asked, model, editor_of(asked))
    assert sampler.spacing == "trailing"
    assert sampler.on(model.schedule).timesteps(4)[0] == 999
    assert model.schedule.at(999) < 1e-6
    edit(video, ["a red car"], asked)
    half = asked.replaced(dtype="bf16")
    with pytest.raises(ModelFolderError, match="too near 0 for half precision"):
        edit(video, ["a red car"], half.replaced(overwrite=True))


def test_the_precision_that_is_chosen_itself_suits_pure_noise(
    options: EditOptions, tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, "half_of", lambda _device: "bf16")
    folder = saying(tiny_folder, tmp_path / "v", prediction_type="v_prediction")
    asked = options.replaced(model=folder, dtype="auto")
    assert load_model(asked).precision == torch.bfloat16
    assert load_model(asked.replaced(zero_snr=True)).precision == torch.float32


def test_inversions_are_kept_by_what_changes_them(options: EditOptions, video: Path) -> None:
    notes = Notes()
    for asked, recalled in (
        ({}, 0),
        ({"sampler": "euler"}, 1),
        ({"guidance_rescale": 0.5}, 2),
        ({"spacing": "trailing"}, 2),
        ({"spacing": "karras"}, 2),
        ({"spacing": "karras"}, 3),
    ):
        edit(video, ["a red car"], options.replaced(**asked, overwrite=True), progress=notes)
        assert notes.texts.count("this clip is inverted already: that part is skipped") == recalled


def test_karras_from_a_kept_inversion_gives_the_same_bytes(options: EditOptions, video: Path) -> None:
    asked = options.replaced(
        editor="tokenflow", set=("variant=sdedit",), sampler="dpmpp_2m", spacing="karras", overwrite=True
    )
    first, again = (edit(video, ["a red car"], asked)[0].video.read_bytes() for _ in range(2))
    assert first == again


@pytest.mark.parametrize(
    "asked",
    [
        {"sampler": "dpmpp_2m"},
        {"sampler": "unipc", "editor": "vidtome"},
        {"sampler": "dpmpp_2m_sde", "editor": "text2video_zero"},
        {"sampler": "lcm", "set": ("noise=random",)},
    ],
)
def test_a_killed_run_goes_on_with_what_the_sampler_remembers(
    options: EditOptions,
    video: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    asked: dict[str, Any],
) -> None:
    options = options.replaced(**asked)
    whole = edit(video, ["a red car"], options.replaced(out=tmp_path / "whole"))[0].video.read_bytes()
    kill_after(2, monkeypatch)
    with pytest.raises(Killed):
        edit(video, ["a red car"], options)
    monkeypatch.undo()
    notes = Notes()
    done = edit(video, ["a red car"], options, progress=notes)[0]
    assert "going on after 2 of 4 steps" in notes.texts
    assert done.video.read_bytes() == whole


def test_a_comparison_leaves_out_who_cannot(options: EditOptions, video: Path) -> None:
    notes = Notes()
    asked = options.replaced(sampler="dpmpp_2m", frames=2, steps=2)
    compare(video, "a red car", asked, progress=notes)
    left = [text for text in notes.texts if "left out" in text]
    assert left == [
        "anchored is left out: anchored with the sampler dpmpp_2m, expected ddim or lcm",
        "delta is left out: delta with the sampler dpmpp_2m, expected ddim or lcm",
        "vid2vid_zero is left out: vid2vid_zero with the sampler dpmpp_2m, expected ddim",
    ]
    assert options.out is not None
    assert (options.out / "tokenflow.mp4").is_file()
    assert not (options.out / "vid2vid_zero.mp4").exists()


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"steps": 2, "set": ("steps=4",)}, "--steps 2 and --set steps=4; give one of them"),
        ({"guidance": 7.0, "set": ("delta.guidance=3",)}, "--guidance 7.0 and --set guidance=3"),
        ({"set": ("radius=3", "radius=1")}, "--set radius=3 and --set radius=1; give it once"),
    ],
)
def test_what_is_given_twice_is_refused(asked: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError) as raised:
        editor_of(EditOptions(**asked))
    assert told in str(raised.value)


def test_the_same_twice_and_one_for_all_and_one_for_an_editor_are_no_contradiction() -> None:
    options = EditOptions(steps=4, set=("steps=4", "radius=3", "radius=3", "delta.radius=1"))
    assert editor_of(options).table()["radius"] == 1


@pytest.mark.parametrize(
    ("asked", "steps"),
    [
        ({}, 10),
        ({"model": "another"}, 25),
        ({"editor": "tokenflow"}, 25),
        ({"steps": 3}, 3),
        ({"set": ("steps=7",)}, 7),
    ],
)
def test_the_miniature_needs_fewer_steps_where_that_is_measured(asked: dict[str, Any], steps: int) -> None:
    assert editor_of(EditOptions(**asked)).table()["steps"] == steps


@pytest.mark.parametrize(
    ("editor", "idle", "told"),
    [
        ("tokenflow", "start=0.3", "start acts with variant=sdedit only; give --set variant=sdedit"),
        ("tokenflow", "controlnet_scale=2", "controlnet_scale acts with controlnet=true only"),
        ("vidtome", "global_rand=0.1,merge_global=false", "global_rand acts with merge_global=true only"),
        ("text2video_zero", "t0=0.5", "t0 acts in clips from text only"),
        ("vid2vid_zero", "rate=0.1,null_text=false", "rate acts with null_text=true only"),
        (
            "vid2vid_zero",
            "self_replace=0.6",
            "self_replace acts with sparse_causal=false or as_published only",
        ),
        ("vidtome", "align=false", "align acts with variant=depth only"),
    ],
)
def test_a_setting_that_would_do_nothing_is_told(editor: str, idle: str, told: str) -> None:
    with pytest.raises(InputError, match=told):
        editor_of(EditOptions(editor=editor, set=tuple(idle.split(","))))


def test_settings_that_do_something_or_are_the_defaults_pass() -> None:
    editor_of(EditOptions(editor="tokenflow", set=("start=0.3", "variant=sdedit")))
    editor_of(EditOptions(editor="tokenflow", set=("start=0.9",)))
    editor_of(GenerateOptions(editor="text2video_zero", set=("t0=0.5",)))
    with pytest.raises(InputError, match="variant=instruct needs a source, clips from text have none"):
        editor_of(GenerateOptions(editor="text2video_zero", set=("variant=instruct",)))
    with pytest.raises(InputError, match="picture_guidance acts with variant=instruct only"):
        editor_of(GenerateOptions(editor="text2video_zero", set=("picture_guidance=3",)))


def test_how_many_steps_a_lora_acts_in_is_told(tiny: StableDiffusion) -> None:
    """delta begins where the clip is less noisy, so that the first steps are not taken."""
    options = EditOptions(
        editor="delta", steps=25, lora=("ink.safetensors@1:0-0.2", "ink.safetensors:0-0.6", "ink.safetensors")
    )
    for editor, given, counts in (
        ("delta", {}, ["0 of 20", "10 of 20"]),
        ("framewise", {}, ["5 of 25", "15 of 25"]),
        ("framewise", {"strength": 0.6}, ["0 of 15", "5 of 15"]),
        ("shuffled", {"strength": 0.6}, ["0 of 15", "5 of 15"]),
        ("tokenflow", {"variant": "sdedit", "start": 0.6}, ["0 of 15", "5 of 15"]),
    ):
        notes = Notes()
        with adapted(tiny, options, editor, registry.make(editor, {"steps": 25, **given}), notes):
            pass
        found = [note for note in notes.texts if note.startswith("the LoRA")]
        assert [count in note for count, note in zip(counts, found, strict=True)] == [True, True], found
        assert ("WARNING" in found[0]) == counts[0].startswith("0 ")


def test_a_negative_prompt_without_guidance_is_told(tiny: StableDiffusion) -> None:
    for guidance, told in ((1.0, True), (5.0, False)):
        notes, editor = Notes(), registry.make("framewise", {"guidance": guidance})
        with adapted(tiny, EditOptions(negative_prompt="blue"), "framewise", editor, notes):
            pass
        assert ("without guidance (1) the negative prompt does nothing" in notes.texts) is told


def test_shares_are_counted_where_the_program_steps(tiny: StableDiffusion) -> None:
    """As published, and by instruction, whatever the spacing of the model."""
    trailing = replace(tiny, schedule=replace(tiny.schedule, spacing="trailing"))
    schedule = trailing.schedule
    published = replace(schedule, spacing="leading", offset=1)
    for name in ("vid2vid_zero", "flatten"):
        editor = registry.make(name, {"as_published": True})
        assert editor.spaced(schedule).timesteps(5) == published.timesteps(5)
    editor = registry.make("text2video_zero", {"variant": "instruct"})
    assert editor.spaced(schedule).timesteps(5) == replace(schedule, spacing="linspace").timesteps(5)
    assert registry.make("delta", {}).spaced(schedule) is schedule
