"""Training jobs from end to end on a tiny model: every stage, resuming, a folder of videos, refusals."""

import json
import re
import shutil
import sys
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from frameweave.adaptor.adaptor import load_adaptor
from frameweave.data.sources.usable import usual_split
from frameweave.diffusion.schedule import Schedule
from frameweave.editing.edit import edit
from frameweave.editing.options import EditOptions
from frameweave.errors import AdaptorMismatch, DataError, InputError, MissingExtra, RunError
from frameweave.progress import SILENT, Notes
from frameweave.runs.explained import bounds
from frameweave.runs.run import read_run
from frameweave.training.options import TrainOptions
from frameweave.training.personal_options import PersonalOptions
from frameweave.training.presets import provenance
from frameweave.training.sources.folder import FolderGroups
from frameweave.training.sources.groups import Part, check_data, left_out, sources
from frameweave.training.stages import Workshop, at_equal_noise, training_device
from frameweave.training.train import train
from original_layout import save_original
from prepared import a_dataset, prepared, some_clips
from tests_shared import SD
from tiny import save_tower
from videos import blobs, colour_ramp, write_video

KINDS = pytest.mark.parametrize(
    "options", ["tiny_folder", "tiny_xl_folder"], indirect=True, ids=["sd", "sdxl"]
)
"""For what holds on every kind of model."""


@pytest.fixture
def options(request: pytest.FixtureRequest, tmp_path: Path) -> TrainOptions:
    folder: Path = request.getfixturevalue(getattr(request, "param", "tiny_folder"))
    return TrainOptions(
        model=str(folder),
        device="cpu",
        groups=6,
        held_out=2,
        accumulate=2,
        steps=4,
        tokens_steps=2,
        depth_steps=1,
        warmup=1,
        watch_every=2,
        learning_rate=1e-2,
        out=tmp_path / "run",
    )


def weights(folder: Path) -> dict[str, torch.Tensor]:
    adaptor = load_adaptor(str(folder / "adaptor"))
    assert adaptor.tokens is not None
    return adaptor.lora | dict(adaptor.tokens.state_dict())


@KINDS
def test_all_stages_make_an_adaptor_that_edits(options: TrainOptions, tmp_path: Path) -> None:
    done = train(("depth", "tokens", "lora"), options.replaced(preview_every=4, norms_every=4))
    assert done.figures["lora_held_out_noise"] > 0
    assert (options.out / "depth" / "controlnet" / "config.json").is_file()
    assert (options.out / "lora" / "preview-000004.png").is_file()
    log = [json.loads(line) for line in (options.out / "log.jsonl").read_text().splitlines()]
    assert [line["stage"] for line in log] == ["depth", "tokens", "tokens", *["lora"] * 4]
    assert log[-1]["gradient_norm_noise"] > 0
    assert log[-1]["gradient_norm_temporal"] > 0
    assert "gradient_norm_noise" not in log[-2]
    assert {"groups_per_second", "rate", "noise", "temporal", "held_out_similarity"} <= log[-1].keys()
    result = read_run(options.out).result
    assert result["seconds"] == pytest.approx(done.seconds)
    assert result["peak_bytes"] > 2**20
    adaptor = load_adaptor(str(options.out / "adaptor"))
    assert adaptor.card.steps == 4
    assert any(float(w.abs().max()) > 0 for key, w in adaptor.lora.items() if "lora_B" in key)
    video = tmp_path / "clip.mp4"
    write_video(video, colour_ramp(3, (32, 32)))
    settings = EditOptions(model=options.model, device="cpu", steps=20, adaptor=str(options.out / "adaptor"))
    for tokens in (False, True):
        out = tmp_path / f"edit-{tokens}"
        assert edit(video, ["a red car"], settings.replaced(tokens=tokens, out=out))[0].video.is_file()


@KINDS
def test_a_stopped_run_goes_on_with_the_same_bits(options: TrainOptions, tmp_path: Path) -> None:
    train(("tokens", "lora"), options)
    parts = options.replaced(out=tmp_path / "parts")
    train(("tokens", "lora"), parts.replaced(steps=2))
    train(("lora",), parts)
    whole, resumed = weights(options.out), weights(parts.out)
    assert all(torch.equal(whole[key], resumed[key]) for key in whole)
    with pytest.raises(RunError, match=r"learning_rate was 0.01 and is 0.1"):
        train(("lora",), parts.replaced(learning_rate=0.1))


def test_along_the_motion_a_stopped_run_goes_on_with_the_same_bits(
    options: TrainOptions, tmp_path: Path
) -> None:
    """On videos, whose motion is estimated, with known groups mixed in and tokens that begin as a word."""
    folder = tmp_path / "videos"
    folder.mkdir()
    for k in range(4):
        write_video(folder / f"{k}.mp4", colour_ramp(4 + k, (32, 32))).with_suffix(".txt").write_text("a car")
    options = options.replaced(
        data=str(folder),
        temporal_match="flow",
        temporal_weight=1.0,
        first_order_weight=1.0,
        equivariance_weight=0.1,
        prior="world",
        prior_share=0.4,
        tokens_from="star",
    )
    train(("tokens", "lora"), options)
    parts = options.replaced(out=tmp_path / "parts")
    train(("tokens", "lora"), parts.replaced(steps=2))
    train(("lora",), parts)
    whole, resumed = weights(options.out), weights(parts.out)
    assert all(torch.equal(whole[key], resumed[key]) for key in whole)
    by_place = options.replaced(temporal_match="place", out=tmp_path / "place")
    train(("tokens", "lora"), by_place)
    other = weights(by_place.out)
    assert any(not torch.equal(whole[key], other[key]) for key in whole)
    with pytest.raises(RunError, match=r"temporal_match was \"flow\" and is \"place\""):
        train(("lora",), parts.replaced(temporal_match="place"))


def test_a_single_file_is_trained_as_its_folder(
    options: TrainOptions, tiny_folder: Path, tmp_path: Path
) -> None:
    options = options.replaced(steps=1, n_shared=0, depth_control=False, groups=2, held_out=1)
    file = save_original(tiny_folder, tmp_path / "model.safetensors")
    alone = options.replaced(model=str(file), config=str(tiny_folder), out=tmp_path / "alone")
    trained: list[dict[str, torch.Tensor]] = []
    for one in (options, alone):
        train(("lora",), one)
        trained.append(load_adaptor(str(one.out / "adaptor")).lora)
    assert trained[0].keys() == trained[1].keys()
    assert all(torch.equal(weight, trained[1][name]) for name, weight in trained[0].items())
    file.write_bytes(save_original(tiny_folder, tmp_path / "b.safetensors", x=torch.ones(1)).read_bytes())
    with pytest.raises(RunError, match="model has changed"):
        train(("lora",), alone.replaced(steps=2))


def test_a_finished_run_keeps_its_figures(options: TrainOptions) -> None:
    done = train(("tokens", "lora"), options)
    record = read_run(options.out).result
    assert train(("lora",), options).figures == done.figures
    assert read_run(options.out).result == record


def test_a_folder_of_videos_with_captions(options: TrainOptions, tmp_path: Path) -> None:
    folder = tmp_path / "videos"
    folder.mkdir()
    with pytest.raises(DataError, match="absent: no such folder"):
        sources(options.replaced(data=str(tmp_path / "absent")))
    with pytest.raises(DataError, match="no videos"):
        train(("lora",), options.replaced(data=str(folder), out=tmp_path / "a"))
    for name, frames in (("one", 5), ("two", 6), ("short", 2)):
        write_video(folder / f"{name}.mp4", colour_ramp(frames, (32, 32)))
        if name != "two":
            (folder / f"{name}.txt").write_text("a red car\n\na car\n")
    with pytest.raises(DataError, match=r"two\.txt: no caption"):
        train(("lora",), options.replaced(data=str(folder), out=tmp_path / "b"))
    (folder / "two.txt").write_text("a blue car")
    with pytest.raises(DataError, match=r"short\.mp4: 2 frames, expected at least 3"):
        train(("lora",), options.replaced(data=str(folder), out=tmp_path / "c"))
    (folder / "short.mp4").unlink()
    train(("lora",), options.replaced(data=str(folder), n_shared=0, out=tmp_path / "d"))
    assert load_adaptor(str(tmp_path / "d" / "adaptor")).tokens is None


def test_every_video_and_caption_of_a_folder_is_looked_at_first(
    options: TrainOptions, tmp_path: Path
) -> None:
    """Before anything is loaded or written; files are named, and hidden ones left alone."""
    folder = tmp_path / "videos"
    folder.mkdir()
    for k in range(4):
        video = write_video(folder / f"clip{k}.mp4", colour_ramp(8, (32, 32)), faststart=True)
        video.with_suffix(".txt").write_bytes(f"caf\u00e9 {k}\n".encode(("utf-8-sig", "utf-16")[k % 2]))
    (folder / "._clip3.mp4").write_bytes(b"what a Mac leaves")
    (folder / "clip3.txt").unlink()
    (folder / "clip3.json").write_text('{"captions": ["caf\u00e9 3"]}')
    on_folder = options.replaced(data=str(folder), n_shared=0)
    groups, held_out = sources(on_folder)
    assert [groups.group(k).captions for k in range(3)] == [(f"caf\u00e9 {k}",) for k in range(3)]
    assert len(groups) + len(held_out) == 4
    check_data(on_folder)
    whole = (folder / "clip2.mp4").read_bytes()
    wrong: list[tuple[str, bytes, str]] = [
        ("clip1.txt", "caf\u00e9".encode("cp1252"), "videos/clip1.txt: not UTF-8"),
        ("clip1.txt", "\u200b\n".encode(), "clip1.txt: no caption"),
        ("clip2.mp4", whole[: len(whole) * 7 // 10], "clip2.mp4: .*truncated or damaged"),
        ("clip2.mp4", b"", "clip2.mp4: not a readable video"),
    ]
    for name, content, message in wrong:
        before = (folder / name).read_bytes()
        (folder / name).write_bytes(content)
        with pytest.raises(DataError, match=message):
            train(("lora",), on_folder)
        assert not options.out.exists()
        (folder / name).write_bytes(before)
    for k in (0, 2):
        (folder / f"clip{k}.mp4").write_bytes(whole[:500])
    with pytest.raises(DataError, match=r"clip0.mp4: .*\(2 of 4 videos cannot be used\)"):
        train(("lora",), on_folder)


def test_shards_that_have_changed_are_not_trained_on(options: TrainOptions, tmp_path: Path) -> None:
    shards = a_dataset(tmp_path)
    tar = shards / "train-000000.tar"
    tar.write_bytes(tar.read_bytes().replace(b"number 0", b"number 9"))
    with pytest.raises(DataError, match=r"train-000000.tar has changed; run frameweave data prepare"):
        train(("lora",), options.replaced(data=str(shards), frames=2, temporal_mode="noise"))
    assert not options.out.exists()


def test_prepared_shards(options: TrainOptions, tmp_path: Path) -> None:
    """All three stages train on them; the split test is held out, else the last clips."""
    shards = a_dataset(tmp_path)
    on_shards = options.replaced(data=str(shards), frames=2, temporal_norm="T")
    train_groups, held_out = sources(on_shards)
    assert (len(train_groups), len(held_out)) == (6, 2)
    assert train_groups.group(0).captions == ("number 0", "a second caption")
    train(("depth", "tokens", "lora"), on_shards.replaced(temporal_mode="noise", out=tmp_path / "a"))
    assert load_adaptor(str(tmp_path / "a" / "adaptor")).tokens is not None
    with pytest.raises(InputError, match="prepared with frames 2, expected 3"):
        train(("lora",), options.replaced(data=str(shards), out=tmp_path / "b"))
    clips = [clip.replaced(split="") for clip in some_clips(tmp_path / "videos", 5)]
    train_groups, held_out = sources(
        on_shards.replaced(data=str(prepared(tmp_path / "one", clips)), held_out=1)
    )
    assert (len(train_groups), len(held_out)) == (8, 2)


def test_shards_prepared_otherwise_are_refused(options: TrainOptions, tmp_path: Path) -> None:
    on_shards = options.replaced(data=str(a_dataset(tmp_path)), frames=2, temporal_mode="noise")
    with pytest.raises(InputError, match="prepared with stride 1, expected 2; give --stride 1"):
        sources(on_shards.replaced(stride=2))
    with pytest.raises(InputError, match="prepared with resize crop, expected squash"):
        sources(on_shards.replaced(resize="squash"))


def test_small_pictures_are_told(options: TrainOptions, tmp_path: Path) -> None:
    shards, notes = a_dataset(tmp_path), Notes()
    on_shards = options.replaced(data=str(shards), frames=2, temporal_mode="noise", size=512, steps=1)
    Workshop(on_shards.replaced(out=tmp_path / "a"), notes, ("lora",))
    assert any("are enlarged to 512: prepare them with --size 512" in note for note in notes.texts)


@pytest.mark.parametrize(
    ("splits", "trained"),
    [(("", "dev"), (4, 2)), (("train", "eval"), (4, 2)), (("one", "two"), None)],
)
def test_splits_of_any_usual_name_are_held_out(
    options: TrainOptions, tmp_path: Path, splits: tuple[str, str], trained: tuple[int, int] | None
) -> None:
    """Clips of no split are those that are trained on."""
    clips = [
        clip.replaced(split=usual_split(splits[number >= 2]))
        for number, clip in enumerate(some_clips(tmp_path / "videos", 3))
    ]
    asked = options.replaced(data=str(prepared(tmp_path / "set", clips)), frames=2, temporal_mode="noise")
    if trained is None:
        with pytest.raises(InputError, match="the splits one, two, expected train"):
            sources(asked)
        return
    train_groups, held_out = sources(asked)
    assert (len(train_groups), len(held_out)) == trained


def test_clips_of_no_split_are_trained_on_beside_those_of_train(
    options: TrainOptions, tmp_path: Path
) -> None:
    splits = ("train", "validate", "", "", "")
    clips = [
        clip.replaced(split=split)
        for split, clip in zip(splits, some_clips(tmp_path / "videos", 5), strict=True)
    ]
    asked = options.replaced(data=str(prepared(tmp_path / "set", clips)), frames=2, temporal_mode="noise")
    train_groups, held_out = sources(asked)
    assert (len(train_groups), len(held_out)) == (8, 2)
    assert len({train_groups.key(index) for index in range(8)}) == 8
    clips[4] = clips[4].replaced(split="train-10k")
    named = options.replaced(data=str(prepared(tmp_path / "named", clips)), frames=2, temporal_mode="noise")
    with pytest.raises(InputError, match="the splits all, train, train-10k, validate, expected train"):
        sources(named)


def test_shards_of_one_clip_hold_none_out(options: TrainOptions, tmp_path: Path) -> None:
    shards = prepared(tmp_path / "set", some_clips(tmp_path / "videos", 1))
    with pytest.raises(InputError, match="all 2 groups are of one clip"):
        sources(options.replaced(data=str(shards), frames=2, temporal_mode="noise"))


def test_clips_of_the_origin_of_held_out_ones_are_not_trained_on(
    options: TrainOptions, tmp_path: Path
) -> None:
    origins = ("one", "two", "one", "three", "two", "one")
    clips = [
        clip.replaced(split="", origin=origin)
        for origin, clip in zip(origins, some_clips(tmp_path / "videos", 6), strict=True)
    ]
    asked = options.replaced(data=str(prepared(tmp_path / "set", clips)), frames=2, temporal_mode="noise")
    train_groups, held_out = sources(asked)
    assert (len(train_groups), len(held_out)) == (6, 2)  # the last clip, of the first origin
    assert [text.partition(": ")[2] for text in left_out(asked, train_groups, held_out)] == [
        "4 groups of the origins of held-out clips are not trained on"
    ]
    alike = [clip.replaced(origin="one") for clip in clips]
    with pytest.raises(InputError, match=r"all clips are of the origins of held-out ones .one., which"):
        sources(asked.replaced(data=str(prepared(tmp_path / "alike", alike))))


def test_a_caption_of_blanks_is_none(options: TrainOptions, tmp_path: Path) -> None:
    video = write_video(tmp_path / "a.mp4", colour_ramp(8, (40, 30)))
    with pytest.raises(InputError, match="--shows says nothing"):
        sources(options.replaced(data=str(video), every_frame=True, shows=("  ",)))


@KINDS
def test_without_a_controlnet_one_is_made_from_the_unet(options: TrainOptions, tmp_path: Path) -> None:
    """Its zero convolutions add nothing before it is trained; a later stage takes it."""
    shutil.copytree(options.model, tmp_path / "bare")
    shutil.rmtree(tmp_path / "bare" / "controlnet")
    bare = options.replaced(model=str(tmp_path / "bare"))
    fresh = Workshop(bare, SILENT, ("depth",)).model
    assert fresh.controlnet is not None
    assert torch.equal(fresh.controlnet.conv_in.weight, fresh.unet.conv_in.weight)
    again = Workshop(bare, SILENT, ("depth",)).model.controlnet
    assert again is not None
    for one, other in zip(fresh.controlnet.parameters(), again.parameters(), strict=True):
        assert torch.equal(one, other)
    assert Workshop(bare, SILENT, ("lora",)).model.controlnet is None
    train(("depth", "lora"), bare.replaced(n_shared=0))
    assert Workshop(bare, SILENT, ("lora",)).model.controlnet is not None


def test_depth_and_vision_are_not_needed_where_they_are_off(options: TrainOptions, tmp_path: Path) -> None:
    folder = tmp_path / "videos"
    folder.mkdir()
    for name in ("one", "two"):
        write_video(folder / f"{name}.mp4", colour_ramp(8, (40, 30)))
        (folder / f"{name}.txt").write_text("a red car")
    shutil.copytree(options.model, tmp_path / "bare")
    for part in ("controlnet", "clip", "depth_estimator"):
        shutil.rmtree(tmp_path / "bare" / part)
    bare = options.replaced(model=str(tmp_path / "bare"), data=str(folder), n_shared=0, depth_control=False)
    assert train(("lora",), bare).figures["lora_held_out_noise"] > 0


def test_the_lora_stage_takes_the_tokens_as_they_were_trained(options: TrainOptions) -> None:
    train(("tokens",), options)
    with pytest.raises(RunError, match="n_shared 4 and vision_stride 2, now they are 4 and 4"):
        train(("lora",), options.replaced(vision_stride=4))
    train(("tokens",), options.replaced(tokens_steps=3))  # may go on


def test_the_lora_stage_notices_another_vision_tower(options: TrainOptions, tmp_path: Path) -> None:
    train(("tokens",), options)
    card = load_adaptor(str(options.out / "tokens" / "adaptor")).card
    assert card.vision == f"{options.model}/clip" and len(card.vision_digest) == 64
    assert card.prediction == "epsilon"
    wide = options.replaced(vision=save_tower(tmp_path / "wide", 16))
    with pytest.raises(
        AdaptorMismatch, match=r"tower of width 12 sees \(.*/clip\), the model's has width 16"
    ):
        train(("lora",), wide)
    assert not (options.out / "lora").exists()
    notes = Notes()
    train(("lora",), options.replaced(vision=save_tower(tmp_path / "other")), progress=notes)
    assert [text for text in notes.texts if "other weights: make sure" in text]


def test_another_device_than_the_process_has_is_refused() -> None:
    assert training_device("auto") == training_device("cpu") == "cpu"
    with pytest.raises(InputError, match="device 'cuda' is not available on this machine"):
        training_device("cuda")


@KINDS
def test_a_later_call_takes_the_trained_depth_control(options: TrainOptions) -> None:
    train(("depth",), options.replaced(depth_learning_rate=0.1))
    file = options.out / "depth" / "controlnet" / "diffusion_pytorch_model.safetensors"
    trained = load_file(file)
    fresh = Workshop(options.replaced(out=options.out / "elsewhere"), SILENT).model.controlnet
    taken = Workshop(options, SILENT).model.controlnet
    assert fresh is not None
    assert taken is not None
    name = "controlnet_mid_block.weight"
    assert torch.equal(taken.state_dict()[name].contiguous(), trained[name].contiguous())
    assert not torch.equal(fresh.state_dict()[name].contiguous(), trained[name].contiguous())


def test_tensorboard_gets_every_figure(options: TrainOptions) -> None:
    event_accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    train(("lora",), options.replaced(n_shared=0, tensorboard=True, steps=2))
    board = event_accumulator.EventAccumulator(str(options.out / "tensorboard" / "lora"))
    board.Reload()
    log = [json.loads(line) for line in (options.out / "log.jsonl").read_text().splitlines()]
    for name in ("noise", "gradient_norm", "held_out_similarity"):
        written = {event.step: event.value for event in board.Scalars(name)}
        assert written == pytest.approx({line["step"]: line[name] for line in log if name in line}, rel=1e-4)


def test_a_missing_tracker_is_named(options: TrainOptions, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(MissingExtra, match=r"wandb is not installed; pip install 'frameweave\[wandb\]'"):
        train(("lora",), options.replaced(n_shared=0, wandb=True, steps=2))


def test_wrong_settings_are_refused(options: TrainOptions) -> None:
    with pytest.raises(InputError, match="unknown stage 'lore'.*did you mean lora"):
        train(("lore",), options)
    with pytest.raises(InputError, match="needs 3"):
        train(("lora",), options.replaced(frames=2))
    with pytest.raises(InputError, match="nothing to train with n_shared 0; give --stages lora"):
        train(("tokens", "lora"), options.replaced(n_shared=0))
    with pytest.raises(InputError, match="held_out is 0"):
        train(("depth",), options.replaced(held_out=0))
    with pytest.raises(InputError, match=r"window \[0.9, 0.9\)"):
        train(("lora",), options.replaced(t_range=(0.9, 0.9)))
    assert not options.out.exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"t_range": (0.9, 1.2)}, "t_range is 1.2, expected 0 to 1"),
        ({"rank": 0}, "rank is 0, expected at least 1"),
        ({"batch": 0}, "batch is 0"),
        ({"steps": 0}, "steps is 0"),
        ({"learning_rate": -1.0}, "learning_rate is -1.0, expected more than 0"),
        ({"n_shared": -1}, "n_shared is -1"),
        ({"temporal_layers": "["}, r"temporal_layers is \[, expected a regular expression"),
        ({"lora_blocks": "top"}, "unknown LoRA block 'top'"),
    ],
)
def test_settings_out_of_range_are_refused_before_anything_is_loaded(
    options: TrainOptions, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any], message: str
) -> None:
    monkeypatch.setattr("frameweave.training.train.Workshop", None)
    with pytest.raises(InputError, match=message):
        train(("lora",), options.replaced(**change))
    assert not options.out.exists()


@pytest.mark.parametrize(
    ("asked", "fits"), [("cuda", True), ("cuda:0", True), ("cuda:1", False), ("cpu", False)]
)
def test_a_device_without_a_number_is_the_first(
    asked: str, fits: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = SimpleNamespace(device=torch.device("cuda"))  # as accelerate has it for one process
    monkeypatch.setattr("frameweave.training.stages.PartialState", lambda cpu: here)
    monkeypatch.setattr("frameweave.training.stages.torch_device", torch.device)
    with nullcontext() if fits else pytest.raises(InputError, match="training runs on cuda"):
        assert training_device(asked) == "cuda"


def test_a_training_that_was_stopped_can_be_repeated(
    options: TrainOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stopped:
        def __init__(self, *_: object, **__: object) -> None:
            raise KeyboardInterrupt

    monkeypatch.setattr("frameweave.training.train._trained", Stopped)
    with pytest.raises(KeyboardInterrupt):
        train(("lora",), options)
    assert read_run(options.out).input["stages"] == ["lora"]


def test_every_number_has_a_range() -> None:
    kinds = {name: str(field.annotation) for name, field in TrainOptions.model_fields.items()}
    numbers = {name for name, kind in kinds.items() if re.search(r"\b(int|float)\b", kind)}
    free = {"temporal_weight", "first_order_weight"}  # any finite number
    assert {name for name in numbers if not bounds(TrainOptions, name)} == free


def test_every_provenance_names_a_setting() -> None:
    assert provenance().keys() <= TrainOptions.model_fields.keys()


def test_a_stopped_training_does_not_go_on_with_other_data(options: TrainOptions, tmp_path: Path) -> None:
    folder = tmp_path / "videos"
    folder.mkdir()
    for number in range(4):
        write_video(folder / f"{number}.mp4", colour_ramp(4, (32, 32)))
        (folder / f"{number}.txt").write_text("a red car\n")
    chosen = options.replaced(data=str(folder), n_shared=0, depth_control=False, steps=1)
    train(("lora",), chosen)
    more = chosen.replaced(steps=2)
    (folder / "1.txt").write_text("a blue car\n")
    with pytest.raises(RunError, match=r"1\.mp4 has changed; put them back"):
        train(("lora",), more)
    (folder / "1.txt").write_text("a red car\n")
    kept = (folder / "2.mp4").read_bytes()
    (folder / "2.mp4").unlink()
    with pytest.raises(RunError, match=r"2\.mp4 is gone"):
        train(("lora",), more)
    (folder / "2.mp4").write_bytes(kept)
    train(("lora",), more)


def test_a_training_that_fails_at_once_leaves_nothing(
    options: TrainOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(MissingExtra):
        train(("lora",), options.replaced(n_shared=0, wandb=True, steps=2))
    assert not options.out.exists()


def test_the_window_at_equal_noise_begins_earlier_for_small_latents() -> None:
    """16 x 16 latents at 0.574 T are as noisy as 64 x 64 ones at 0.9 T; the paper's own window stays."""
    schedule = Schedule.from_config(SD)
    asked = TrainOptions(window="equal-noise", temporal_range=(0.0, 1.0))
    found = at_equal_noise(asked, schedule, 16)
    assert (found.t_range, found.temporal_range, found.window) == ((0.574, 1.0), (0.0, 1.0), "own")
    assert at_equal_noise(TrainOptions(), schedule, 16) == TrainOptions()


def test_what_an_earlier_stage_made_anew_is_another_input(options: TrainOptions) -> None:
    """A LoRA that was begun beside one ControlNet, or frozen tokens, does not go on beside another."""
    train(("lora",), options.replaced(n_shared=0, steps=1))
    train(("depth",), options.replaced(n_shared=0))
    with pytest.raises(RunError, match="depth/controlnet is new"):
        train(("lora",), options.replaced(n_shared=0, steps=2))
    apart = options.replaced(
        out=options.out.with_name("tokens"), depth_control=False, train_tokens=False, tokens_learning_rate=1.0
    )
    train(("tokens", "lora"), apart.replaced(steps=1))
    train(("tokens",), apart.replaced(tokens_steps=apart.tokens_steps + 1))
    with pytest.raises(RunError, match="tokens/adaptor has changed"):
        train(("lora",), apart.replaced(steps=2))


def test_layers_that_are_not_linear_are_told_before_anything_is_encoded(options: TrainOptions) -> None:
    with pytest.raises(InputError, match="lora_targets matches"):
        train(("lora",), options.replaced(lora_blocks="all", lora_targets="norm1"))
    assert not options.out.exists()


def test_videos_in_folders_below_are_told(options: TrainOptions, tmp_path: Path) -> None:
    """They may be true edits, or of another run; `data prepare` takes them."""
    for name in ("b.mp4", "c.mp4", "more/a.mp4", "more/.hidden/c.mp4"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        write_video(tmp_path / name, colour_ramp(4, (32, 32))).with_suffix(".txt").write_text("a dog")
    assert [video.name for video in FolderGroups(tmp_path).videos] == ["b.mp4", "c.mp4"]
    notes = Notes()
    Workshop(options.replaced(data=str(tmp_path), out=tmp_path / "run"), notes, ("lora",))
    assert any("1 videos in folders below are not trained on" in note for note in notes.texts)
    beside = options.replaced(data="world", prior=str(tmp_path))
    told = f"{tmp_path}: 1 videos in folders below are not trained on"
    assert list(left_out(beside, *sources(beside))) == [told]
    clips = options.replaced(data=str(tmp_path), every_frame=True, frames=2)
    assert list(left_out(clips, *sources(clips))) == [told]


def test_held_out_groups_are_of_all_clips(tmp_path: Path) -> None:
    for name in "abcd":
        write_video(tmp_path / f"{name}.mp4", blobs(10))
        (tmp_path / f"{name}.txt").write_text("a thing")
    options = PersonalOptions(data=str(tmp_path), held_out=4)
    _, held_out = sources(options)
    assert isinstance(held_out, Part) and [*held_out.numbers] == [0, 2, 4, 6]  # each clip has two apart


def test_videos_of_other_splits_are_not_trained_on(tmp_path: Path) -> None:
    for name, split in (("a", "train"), ("b", "test"), ("c", ""), ("d", "Val")):
        write_video(tmp_path / f"{name}.mp4", blobs(4, len(split)))
        (tmp_path / f"{name}.txt").write_text("a thing")
        (tmp_path / f"{name}.json").write_text(json.dumps({"split": split, "caption": "another"}))
    options = TrainOptions(data=str(tmp_path))
    assert [path.name for path in FolderGroups(tmp_path).videos] == ["a.mp4", "c.mp4"]
    told = f"{tmp_path}: 2 videos of another split than train are not trained on"
    assert list(left_out(options, *sources(options))) == [told]
