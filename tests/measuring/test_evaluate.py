"""Measuring videos that anybody made."""

import csv
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from frameweave.errors import DataError, InputError, ModelFolderError, RunError
from frameweave.measuring import evaluate as evaluate_module
from frameweave.measuring.evaluate import evaluate
from frameweave.measuring.evaluate_items import Item, _videos_in, clip_of, items_of
from frameweave.measuring.metrics import flow
from frameweave.measuring.metrics.base import Case
from frameweave.measuring.options import EvaluateOptions
from frameweave.progress import Notes, Progress
from frameweave.video.clip import Clip
from frameweave.world.clips import held_out_clips
from videos import colour_ramp, write_video

PSNR = "PSNR to true edit [dB]"


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Edits and sources of the same names, and one that is broken."""
    folder = tmp_path_factory.mktemp("videos")
    held_out = held_out_clips()[0]
    source, red = held_out.rendered(4), held_out.rendered(4, colour="red")
    for name, clip in (("edited", red), ("sources", source)):
        for number in range(2):
            (folder / name).mkdir(exist_ok=True)
            clip.write(folder / name / f"{number}.mp4")
    return folder


def test_one_video(videos: Path, tmp_path: Path) -> None:
    options = EvaluateOptions(
        source=videos / "sources" / "0.mp4",
        truth=videos / "edited" / "0.mp4",
        prompt="a red car in the snow",
        source_prompt="a blue car in the snow",
        out=tmp_path / "run",
    )
    done = evaluate(videos / "edited" / "0.mp4", options)
    assert done.means[PSNR] == 100.0
    wrong = evaluate(
        videos / "edited" / "0.mp4",
        EvaluateOptions(prompt="a green star in the sky", out=tmp_path / "wrong"),
    )
    (score,) = (title for title in done.means if title.startswith("CLIP score [miniature-clip"))
    assert done.means[score] > wrong.means[score] + 20
    assert wrong.reasons[PSNR] == "needs the true edit"
    rows = list(csv.DictReader((tmp_path / "run" / "scores.csv").read_text().splitlines()))
    assert {row["metric"] for row in rows} >= {"lpips_consecutive", "fid_clip_frames", "warp_error"}
    described = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert described[0]["title"] == "Warp error [Farnebäck flow]"


def test_folders_are_matched_by_name_and_pooled(videos: Path, tmp_path: Path) -> None:
    done = evaluate(videos / "edited", EvaluateOptions(source=videos / "sources", out=tmp_path / "run"))
    assert (done.videos, done.failed) == (2, {})
    pooled = [json.loads(line) for line in (tmp_path / "run" / "pooled.jsonl").read_text().splitlines()]
    assert [row["metric"] for row in pooled] == ["fid_source", "kid_source"]
    assert all("8 frames of 2 clips" in row["warning"] for row in pooled)


def test_folders_of_pictures_keep_their_whole_names(videos: Path, tmp_path: Path) -> None:
    """beach.1 is no beach."""
    for number in (1, 2):
        clip = Clip.read(videos / "sources" / f"{number - 1}.mp4")
        for place in ("edits", "sources"):
            (tmp_path / place / f"beach.{number}").mkdir(parents=True)
            for frame, pixels in enumerate(clip.pixels()):
                Image.fromarray(pixels).save(tmp_path / place / f"beach.{number}" / f"{frame}.png")
    (tmp_path / "sources" / "beach").mkdir()
    Image.new("RGB", (64, 64)).save(tmp_path / "sources" / "beach" / "0.png")
    done = evaluate(tmp_path / "edits", EvaluateOptions(source=tmp_path / "sources", out=tmp_path / "run"))
    assert done.failed == {} and done.videos == 2
    assert next(mean for title, mean in done.means.items() if title.startswith("LPIPS to source")) == 0
    shutil.rmtree(tmp_path / "sources" / "beach.1")
    alone = EvaluateOptions(source=tmp_path / "sources", out=tmp_path / "other")
    assert "nothing called beach.1 in it" in evaluate(tmp_path / "edits", alone).failed["beach.1"]


def test_edits_of_one_source_are_one_clip(videos: Path, tmp_path: Path) -> None:
    options = EvaluateOptions(source=videos / "sources" / "0.mp4", out=tmp_path / "run")
    done = evaluate(videos / "edited", options)
    assert (done.videos, done.failed) == (2, {})
    assert (tmp_path / "run" / "pooled.jsonl").read_text() == ""  # one clip is no sample


def test_prompts_that_are_too_long_are_told_once(videos: Path, tmp_path: Path) -> None:
    long, notes = " ".join(["red"] * 30), Notes()
    options = EvaluateOptions(
        source=videos / "sources", prompt=f"{long} car", source_prompt=f"{long} duck", out=tmp_path / "run"
    )
    evaluate(videos / "edited", options, progress=notes)
    told = [text.partition(" is too long for ") for text in notes.texts]
    told = [(what, rest.partition("; ")[2]) for what, _, rest in told if rest]
    assert told == [("a prompt", "not seen by it: 'car'"), ("a source prompt", "not seen by it: 'duck'")]


def test_a_table_with_a_broken_line(videos: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    table = tmp_path / "table.csv"
    table.write_text(
        f"edited,source,prompt\n{videos}/edited/0.mp4,{videos}/sources/0.mp4,a red car\n"
        f"broken.mp4,{videos}/sources/0.mp4,a red car\n{videos}/edited/1.mp4,nowhere.mp4,a red car\n"
    )
    done = evaluate(table, EvaluateOptions(out=tmp_path / "run"))
    assert done.videos == 1
    assert sorted(done.failed) == ["001 broken.mp4", f"002 {videos}/edited/1.mp4"]


def test_what_holds_for_all_lines_of_a_table_is_given_once(videos: Path, tmp_path: Path) -> None:
    table = tmp_path / "table.jsonl"
    own = {"edited": str(videos / "edited" / "1.mp4"), "prompt": "a green star"}
    table.write_text(json.dumps({"edited": str(videos / "edited" / "0.mp4")}) + "\n\n" + json.dumps(own))
    options = EvaluateOptions(source=videos / "sources", prompt="a red car", out=tmp_path / "run")
    done = evaluate(table, options)
    assert (done.videos, done.failed) == (2, {})
    rows = [json.loads(line) for line in (tmp_path / "run" / "scores.jsonl").read_text().splitlines()]
    first, second = (row["value"] for row in rows if row["metric"] == "clip_score")
    assert first > second + 10  # the line's own prompt holds
    assert all(row["value"] is not None for row in rows if row["metric"] == "lpips_source")


def test_only_videos_and_pictures_beside_an_edit_count(videos: Path, tmp_path: Path) -> None:
    """A caption file of the same name is no source; a folder without the name is told, not taken whole."""
    (tmp_path / "sources").mkdir()
    (tmp_path / "sources" / "0.json").write_text("{}")
    (tmp_path / "sources" / "0.mp4").write_bytes((videos / "sources" / "0.mp4").read_bytes())
    done = evaluate(videos / "edited", EvaluateOptions(source=tmp_path / "sources", out=tmp_path / "a"))
    assert list(done.failed) == ["1.mp4"] and "nothing called 1" in done.failed["1.mp4"]
    (tmp_path / "masks").mkdir()
    Image.new("L", (64, 64), 255).save(tmp_path / "masks" / "0.png")
    options = EvaluateOptions(source=videos / "sources", mask=tmp_path / "masks", out=tmp_path / "b")
    done = evaluate(videos / "edited", options)
    assert list(done.failed) == ["1.mp4"] and "nothing called 1" in done.failed["1.mp4"]


def test_other_sizes_are_scaled_and_other_lengths_refused(videos: Path, tmp_path: Path) -> None:
    rng = torch.Generator().manual_seed(0)
    Clip.of(torch.rand(4, 3, 96, 96, generator=rng)).write(tmp_path / "large.mp4")
    Clip.of(torch.rand(3, 3, 64, 64, generator=rng)).write(tmp_path / "short.mp4")
    edited = videos / "edited" / "0.mp4"
    done = evaluate(edited, EvaluateOptions(source=tmp_path / "large.mp4", out=tmp_path / "a"))
    assert done.failed == {}
    short = EvaluateOptions(source=tmp_path / "short.mp4", out=tmp_path / "b")
    assert "short.mp4: 3 frames" in next(iter(evaluate(edited, short).failed.values()))
    cut = EvaluateOptions(source=tmp_path / "short.mp4", frames=3, out=tmp_path / "c")
    assert evaluate(edited, cut).failed == {}


def test_another_rate_is_compared_by_time(videos: Path, tmp_path: Path) -> None:
    """A source at three times the rate shows the same pictures at the edit's times."""
    held_out = held_out_clips()[0]
    source = held_out.rendered(4)
    fast = Clip.of(source.frames.repeat_interleave(3, 0), fps=24)
    fast.write(tmp_path / "fast.mp4")
    source.write(tmp_path / "source.mp4")
    edited = videos / "edited" / "0.mp4"
    by_number, by_time = (
        evaluate(edited, EvaluateOptions(source=tmp_path / f"{name}.mp4", out=tmp_path / name)).means
        for name in ("source", "fast")
    )
    (title,) = (title for title in by_number if title.startswith("LPIPS to source"))
    assert by_number[title] > 0.01
    assert by_time[title] == pytest.approx(by_number[title], rel=0.05)


def test_folders_of_frames_and_equal_names(videos: Path, tmp_path: Path) -> None:
    for name in ("edited", "sources"):
        for clip in ("0", "1"):
            (tmp_path / name / clip).mkdir(parents=True)
            for number, picture in enumerate(Clip.read(videos / name / f"{clip}.mp4").pixels()):
                Image.fromarray(picture).save(tmp_path / name / clip / f"{number}.png")
    done = evaluate(tmp_path / "edited", EvaluateOptions(source=tmp_path / "sources", out=tmp_path / "run"))
    assert (done.videos, done.failed) == (2, {})
    table = tmp_path / "table.csv"
    table.write_text(f"name,edited\nx,{videos}/edited/0.mp4\nx,{videos}/edited/1.mp4\n")
    with pytest.raises(DataError, match="'x' is there 2 times"):
        evaluate(table, EvaluateOptions(out=tmp_path / "doubles"))
    assert not (tmp_path / "doubles").exists()


def test_what_a_run_shows_while_it_works_is_not_measured(videos: Path, tmp_path: Path) -> None:
    """A picture beside videos is no frame of one."""
    folder = tmp_path / "run"
    folder.mkdir()
    video = next(path for path in sorted(videos.rglob("*.mp4")))
    for name in ("edited.mp4", "preview.mp4"):
        shutil.copy(video, folder / name)
    Image.new("RGB", (8, 8)).save(folder / "preview.png")
    assert [item.edited.name for item in items_of(folder, EvaluateOptions())] == ["edited.mp4"]


def test_a_mask_leaves_the_outside(videos: Path, tmp_path: Path) -> None:
    Image.new("L", (64, 64), 0).save(tmp_path / "nothing.png")
    source = videos / "sources" / "0.mp4"
    options = EvaluateOptions(source=source, mask=tmp_path / "nothing.png", out=tmp_path / "run")
    assert evaluate(source, options).means["PSNR outside the edited part [dB]"] == 100.0


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "1", "I;16", "numbers"])
def test_masks_are_read_as_edit_reads_them(videos: Path, tmp_path: Path, mode: str) -> None:
    """The left half may change, whatever the picture's mode: all of the right half is as in the source."""
    half = np.zeros((64, 64), np.uint8)
    half[:, :32] = 255
    if mode == "RGBA":  # transparent is black
        picture = Image.fromarray(np.dstack([np.full((64, 64, 3), 255, np.uint8), half]))
    elif mode == "I;16":
        picture = Image.fromarray(half.astype(np.uint16) * 257)
    else:
        picture = Image.fromarray(half // 255 if mode == "numbers" else half).convert("L")
        picture = picture if mode in ("L", "numbers") else picture.convert(mode)
    picture.save(tmp_path / "mask.png")
    source = Clip.read(videos / "sources" / "0.mp4")
    changed = source.frames.clone()
    changed[:, :, :, :32] = 0
    for name, clip in (("source", source), ("edited", source.with_frames(changed))):
        (tmp_path / name).mkdir()
        for number, pixels in enumerate(clip.pixels()):
            Image.fromarray(pixels).save(tmp_path / name / f"{number}.png")
    options = EvaluateOptions(source=tmp_path / "source", mask=tmp_path / "mask.png", out=tmp_path / "run")
    done = evaluate(tmp_path / "edited", options)
    assert done.failed == {} and done.means["PSNR outside the edited part [dB]"] == 100.0


def test_a_mask_of_another_shape_is_refused(videos: Path, tmp_path: Path) -> None:
    Image.new("L", (64, 32), 255).save(tmp_path / "mask.png")
    options = EvaluateOptions(mask=tmp_path / "mask.png", out=tmp_path / "run")
    done = evaluate(videos / "edited" / "0.mp4", options)
    assert "mask.png: a mask of 64 x 32 pixels, the video has 64 x 64" in done.failed["0.mp4"]


def test_a_longer_mask_is_no_mask_of_its_first_frames(videos: Path, tmp_path: Path) -> None:
    edited = videos / "edited" / "0.mp4"
    frames = len(Clip.read(edited))
    mask = write_video(tmp_path / "mask.mp4", np.full((2 * frames, 64, 64, 3), 255, np.uint8))
    source = videos / "sources" / "0.mp4"
    done = evaluate(edited, EvaluateOptions(source=source, mask=mask, out=tmp_path / "a"))
    assert f"a mask of {2 * frames} frames, expected {frames}" in done.failed["0.mp4"]
    first = EvaluateOptions(source=source, mask=mask, frames=frames, out=tmp_path / "b")
    assert evaluate(edited, first).failed == {}


def test_one_frame_and_pictures(videos: Path, tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    for number in range(2):
        Image.new("RGB", (64, 64), (200, 0, 0)).save(tmp_path / "pictures" / f"{number}.png")
    done = evaluate(tmp_path / "pictures", EvaluateOptions(out=tmp_path / "a"))
    assert next(value for title, value in done.means.items() if title.startswith("LPIPS consecutive")) == 0
    first = EvaluateOptions(frames=1, prompt="a red car", out=tmp_path / "b")
    one = evaluate(videos / "edited" / "0.mp4", first)
    assert set(one.reasons.values()) >= {"needs two frames"}
    assert any(title.startswith("CLIP score") for title in one.means)


def test_bad_input(videos: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "table.csv").write_text("video,prompt\na,b\n")
    with pytest.raises(InputError, match="no such file or folder"):
        evaluate(tmp_path / "none.mp4", EvaluateOptions(out=tmp_path / "run"))
    with pytest.raises(DataError, match="line 2.*video"):
        evaluate(tmp_path / "table.csv", EvaluateOptions(out=tmp_path / "run"))
    with pytest.raises(InputError, match="frames is 0"):
        evaluate(videos / "edited", EvaluateOptions(frames=0, out=tmp_path / "run"))
    (tmp_path / "head.csv").write_text("edited,prompt\n")
    with pytest.raises(InputError, match="lines below its head"):
        evaluate(tmp_path / "head.csv", EvaluateOptions(out=tmp_path / "run"))
    assert evaluate(tmp_path / "empty", EvaluateOptions(out=tmp_path / "run")).failed
    with pytest.raises(RunError, match="holds a run already"):
        evaluate(videos / "edited", EvaluateOptions(out=tmp_path / "run"))


def test_published_networks_measure_when_their_weights_are_there(
    videos: Path, published_folder: Path, tmp_path: Path
) -> None:
    options = EvaluateOptions(
        backbones="real",
        weights=published_folder,
        clip_model=str(published_folder / "clip"),
        source=videos / "sources",
        prompt="a red car",
        out=tmp_path / "run",
    )
    done = evaluate(videos / "edited", options)
    assert (done.videos, done.failed) == (2, {})
    described = json.loads((tmp_path / "run" / "metrics.json").read_text())
    titles = {row["name"]: row["title"] for row in described}
    assert "[alexnet-" in titles["lpips_consecutive"] and "[clip-" in titles["clip_score"]
    assert "[inception-2015-" in titles["fid_source"] and not any("miniature" in t for t in titles.values())
    assert {titles["lpips_consecutive"], titles["clip_score"], titles["fid_source"]} <= done.means.keys()


def test_missing_weights_are_told_and_never_replaced(videos: Path, tmp_path: Path) -> None:
    (tmp_path / "weights").mkdir()
    options = EvaluateOptions(backbones="real", weights=tmp_path / "weights", out=tmp_path / "run")
    with pytest.raises(ModelFolderError, match="no weights of AlexNet") as error:
        evaluate(videos / "edited", options)
    assert "--weights" in error.value.hint
    assert not (tmp_path / "run").exists()  # found before anything was written


@pytest.mark.parametrize("side", [5, 24])
def test_a_metric_that_cannot_take_small_pictures_leaves_the_others(
    published_folder: Path, tmp_path: Path, side: int
) -> None:
    """AlexNet needs 31 pixels: LPIPS says so, and everything else is measured."""
    frames = torch.rand(3, 3, side, side, generator=torch.Generator().manual_seed(0))
    for name, clip in (("edited", frames), ("source", frames.flip(0))):
        (tmp_path / name).mkdir()
        for number, picture in enumerate(Clip.of(clip).pixels()):
            Image.fromarray(picture).save(tmp_path / name / f"{number}.png")
    options = EvaluateOptions(
        backbones="real", weights=published_folder, clip_model=str(published_folder / "clip"),
        source=tmp_path / "source", truth=tmp_path / "source", prompt="a red car", out=tmp_path / "run",
    )  # fmt: skip
    done = evaluate(tmp_path / "edited", options)
    assert done.failed == {} and done.videos == 1
    lpips = {title: reason for title, reason in done.reasons.items() if title.startswith("LPIPS")}
    told = f"frames of {side} x {side} pixels, AlexNet takes 31 x 31 and more"
    assert len(lpips) == 3 and set(lpips.values()) == {told}
    assert {title.split(" [")[0] for title in done.means} >= {"CLIP score", "PSNR to true edit", "Warp error"}


def test_a_name_that_is_a_formula_is_not_computed(videos: Path, tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    table.write_text(f'name,edited\n"=HYPERLINK(""http://x"")",{videos}/edited/0.mp4\n')
    evaluate(table, EvaluateOptions(frames=2, out=tmp_path / "run"))
    rows = list(csv.DictReader((tmp_path / "run" / "scores.csv").read_text().splitlines()))
    assert {row["video"] for row in rows} == {'\'=HYPERLINK("http://x")'}
    line = json.loads((tmp_path / "run" / "scores.jsonl").read_text().splitlines()[0])
    assert line["video"] == '=HYPERLINK("http://x")'


def test_the_motion_of_a_source_is_estimated_once_for_its_edits(
    videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = 0
    original = flow.estimated_flow

    def counting(frames: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        nonlocal calls
        calls += 1
        return original(frames)

    monkeypatch.setattr(flow, "estimated_flow", counting)
    options = EvaluateOptions(frames=2, source=videos / "sources" / "0.mp4", out=tmp_path / "shared")
    done = evaluate(videos / "edited", options)
    assert (done.videos, calls) == (2, 1)
    one = evaluate(videos / "edited" / "1.mp4", options.replaced(out=tmp_path / "one"))
    assert done.means["Warp error [Farnebäck flow]"] == one.means["Warp error [Farnebäck flow]"]


def test_what_was_measured_is_kept_when_it_is_interrupted(
    videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = evaluate_module.case_of

    def interrupted(item: Item, frames: int | None, progress: Progress) -> Case:
        if item.name == "1.mp4":
            raise KeyboardInterrupt
        return whole(item, frames, progress)

    monkeypatch.setattr(evaluate_module, "case_of", interrupted)
    with pytest.raises(KeyboardInterrupt):
        evaluate(videos / "edited", EvaluateOptions(frames=2, out=tmp_path / "run"))
    rows = list(csv.DictReader((tmp_path / "run" / "scores.csv").read_text().splitlines()))
    assert {row["video"] for row in rows} == {"0.mp4"}


def test_distances_that_cannot_be_taken_cost_no_score(
    videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object) -> None:
        raise RuntimeError("did not converge")

    monkeypatch.setattr(evaluate_module.Estimate, "of", failing)
    options = EvaluateOptions(source=videos / "sources", frames=2, out=tmp_path / "run")
    done = evaluate(videos / "edited", options)
    assert done.failed == {} and done.videos == 2 and not any("to sources" in title for title in done.means)
    assert (tmp_path / "run" / "pooled.jsonl").read_text() == ""


def test_a_file_whose_name_is_no_utf8_is_measured(videos: Path, tmp_path: Path) -> None:
    (tmp_path / "edited").mkdir()
    content = (videos / "edited" / "0.mp4").read_bytes()
    (tmp_path / "edited" / os.fsdecode(b"\xff.mp4")).write_bytes(content)
    done = evaluate(tmp_path / "edited", EvaluateOptions(frames=2, out=tmp_path / "run"))
    assert (done.videos, done.failed) == (1, {})
    line = json.loads((tmp_path / "run" / "scores.jsonl").read_text().splitlines()[0])
    assert line["video"] == "\\xff.mp4"


def test_what_belongs_to_an_edit_is_never_guessed(videos: Path, tmp_path: Path) -> None:
    """A video before a picture or a folder of its name, depth never, and of two videos neither."""
    sources = tmp_path / "sources"
    shutil.copytree(videos / "sources", sources)
    plain = evaluate(videos / "edited", EvaluateOptions(source=sources, out=tmp_path / "plain"))
    for name in ("0.depth", "1.depth"):
        (sources / name).mkdir()
        for number in range(4):
            Image.new("L", (64, 64), 99).save(sources / name / f"{number}.png")
    Image.new("RGB", (64, 64), "red").save(sources / "0.jpg")
    beside = evaluate(videos / "edited", EvaluateOptions(source=sources, out=tmp_path / "beside"))
    assert beside.means == plain.means
    assert [item.name for item in items_of(sources, EvaluateOptions())] == ["0.mp4", "1.mp4"]
    shutil.copy(sources / "1.mp4", sources / "0.mov")
    assert (
        evaluate(videos / "edited", EvaluateOptions(source=sources, out=tmp_path / "same")).means
        == plain.means
    )  # the very name
    (sources / "0.mp4").rename(sources / "0.mkv")
    with pytest.raises(DataError, match="0.mkv and 0.mov may both belong to 0.mp4"):
        clip_of(next(items_of(videos / "edited", EvaluateOptions(source=sources))))


def test_hidden_files_are_no_edits(tmp_path: Path) -> None:
    for name in ("a.mp4", "._a.mp4", ".cache.mp4"):
        write_video(tmp_path / name, colour_ramp(2, (32, 32)))
    assert [path.name for path in _videos_in(tmp_path)] == ["a.mp4"]
