"""The grid as a whole: cells, kills, shared cells, failing edits, tables, and its report."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from frameweave.adaptor.adaptor import load_adaptor
from frameweave.editing.edit import edit
from frameweave.editing.options import EditOptions
from frameweave.editors.framewise import Framewise
from frameweave.editors.request import EditRequest
from frameweave.errors import AdaptorMismatch, DataError, InputError, ModelFolderError, RunError
from frameweave.measuring import asked, experiment
from frameweave.measuring.experiments import cell_work
from frameweave.measuring.experiments.arms import Arm
from frameweave.measuring.experiments.work import PairWork
from frameweave.measuring.grid import grid
from frameweave.measuring.options import GridOptions
from frameweave.measuring.report.reading import read_results
from frameweave.measuring.report.report import report
from frameweave.models.stable_diffusion import StableDiffusion
from frameweave.progress import Notes
from frameweave.runs.run import Run
from frameweave.runs.run_file import RunRecord, read_run
from frameweave.video.clip import Clip
from frameweave.world.clips import held_out_clips
from original_layout import save_original
from tiny import save_tower

SMALL = GridOptions(clips=2, frames=2, steps=2, editors=("framewise", "text2video_zero"), workers=0)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished small grid whose adaptor acts at every step."""
    out = tmp_path_factory.mktemp("grid") / "run"
    done = grid(None, SMALL.replaced(arms=("with=miniature@2,window=0-1",), out=out))
    assert (done.done, done.earlier, done.failed) == (18, 0, {})
    return out


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_every_cell_is_there_once(run: Path) -> None:
    cells = lines(run / "cells.jsonl")
    keys = {(cell["pair"], cell["editor"], cell["arm"]) for cell in cells}
    assert len(keys) == len(cells) == 18  # 2 pairs x (2 editors x 2 arms + 5 references)
    assert all((run / str(cell["video"])).is_file() for cell in cells)
    pairs = lines(run / "pairs.jsonl")
    assert [pair["pair"] for pair in pairs] == ["000", "001"]
    assert all((run / str(pair[name])).is_file() for pair in pairs for name in ("source", "truth"))
    assert "seed" in read_run(run).input["test_set"]


def test_references_score_what_they_must(run: Path) -> None:
    scores = {
        (line["arm"], line["metric"]): line["value"]
        for line in lines(run / "scores.jsonl")
        if line["editor"] == "reference" and line["pair"] == "000"
    }
    assert scores["first frame frozen", "lpips_consecutive"] == 0
    assert scores["true edit", "follows_all"] == 1
    assert scores["true edit", "psnr_truth"] > 45  # 8 bits a channel
    assert scores["source unchanged", "psnr_outside"] > 45
    assert scores["source unchanged", "follows_all"] == 0


def test_the_arms_differ(run: Path) -> None:
    results = read_results(run)
    for editor in SMALL.editors:
        without, adapted = (results.values(editor, arm, "psnr_truth") for arm in ("without", "with"))
        assert without.keys() == adapted.keys() == {"000", "001"}
        assert without != adapted


def test_a_finished_grid_does_nothing_again(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {name: (run / name).read_bytes() for name in ("scores.jsonl", "pooled.jsonl", "cells.jsonl")}
    monkeypatch.setattr(cell_work, "write_cell", None)
    left = [run / folder / ".0123abcd-cell" for folder in ("cells", "scores")]
    others = run / "cells" / ".4567cdef-cell"  # another machine may be writing it
    for stage in (*left, others):
        stage.mkdir()
    for stage in left:
        os.utime(stage, (0, 0))
    done = grid(None, SMALL.replaced(arms=("with=miniature@2,window=0-1",), out=run))
    assert not any(stage.exists() for stage in left) and others.exists()
    others.rmdir()
    assert (done.done, done.earlier) == (0, 18)
    assert {name: (run / name).read_bytes() for name in before} == before


def test_tables_that_have_changed_are_not_reported(run: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(run, tmp_path / "copy"))
    assert read_results(copy).scores == read_results(run).scores
    lines = (copy / "scores.jsonl").read_text().splitlines(keepends=True)
    (copy / "scores.jsonl").write_text("".join(lines[: len(lines) // 2]))
    with pytest.raises(DataError, match=r"scores.jsonl: it has changed since the run was finished"):
        read_results(copy)


def test_other_settings_are_refused_and_cells_are_shared(run: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="steps"):
        grid(None, SMALL.replaced(arms=("with=miniature@2,window=0-1",), steps=3, out=run))
    options = SMALL.replaced(editors=("framewise",), arms=(), out=tmp_path / "b", cells=run / "cells")
    count = len(list((run / "cells").iterdir()))
    done = grid(None, options)
    assert done.failed == {}
    assert len(list((run / "cells").iterdir())) == count  # nothing was edited again, only measured
    ours = read_results(tmp_path / "b").values("framewise", "without", "clip_score")
    assert ours == read_results(run).values("framewise", "without", "clip_score")


def test_an_adaptor_that_acts_otherwise_in_one_editor_shares_the_others_cells(
    run: Path, tmp_path: Path
) -> None:
    whole = load_adaptor("miniature")
    bare = replace(whole.card, strength_schedules={}, tokens_for=[])
    cards = {"bare": bare, "chosen": replace(bare, tokens_for=["text2video_zero"])}
    keys: dict[str, dict[tuple[object, ...], object]] = {}
    for name, card in cards.items():
        replace(whole, card=card).save(tmp_path / name)
        arms = (f"with={tmp_path / name}", f"again={tmp_path / name},no-tokens")
        options = SMALL.replaced(
            clips=1, steps=1, arms=arms, cells=tmp_path / "cells", out=tmp_path / f"run-{name}"
        )
        assert grid(None, options).failed == {}
        cells = lines(options.out / "cells.jsonl")
        keys[name] = {(cell["editor"], cell["arm"]): cell["video"] for cell in cells}
    changed = {cell for cell, video in keys["chosen"].items() if keys["bare"][cell] != video}
    assert changed == {("text2video_zero", "with")}
    assert keys["bare"]["framewise", "with"] == keys["bare"]["framewise", "again"]


def test_a_vision_tower_of_another_width_is_told_before_any_edit(tmp_path: Path) -> None:
    options = SMALL.replaced(arms=("with=miniature,tokens",), vision=save_tower(tmp_path / "wide", 16))
    with pytest.raises(AdaptorMismatch, match="vision tower of width 128 sees, the model's has width 16"):
        grid(None, options.replaced(out=tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_other_workers_may_go_on_with_it(run: Path) -> None:
    options = SMALL.replaced(arms=("with=miniature@2,window=0-1",), out=run)
    assert grid(None, options.replaced(workers=1, threads=2)).earlier == 18


def test_an_edit_that_fails_stops_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: object, **named: object) -> object:
        raise RuntimeError("no memory left")

    options = SMALL.replaced(clips=1, arms=(), out=tmp_path / "run")
    with monkeypatch.context() as patched:
        patched.setattr(cell_work.running, "edit_clip", broken)
        done = grid(None, options)
        again = grid(None, options.replaced(editors=("framewise",), seeds=2, out=tmp_path / "seeds"))
        alike = options.replaced(editors=("framewise",), arms=("a=miniature", "b=miniature"))
        twice = grid(None, alike.replaced(out=tmp_path / "alike"))
    assert sorted(done.failed) == ["000 framewise without", "000 text2video_zero without"]
    assert sorted(again.failed) == ["000 framewise without seed 0", "000 framewise without seed 1"]
    assert sorted(twice.failed) == [f"000 framewise {arm}" for arm in ("a", "b", "without")]
    assert twice.done == 5  # the references
    errors = [line for line in lines(tmp_path / "run" / "cells.jsonl") if "error" in line]
    assert [line["error"] for line in errors] == ["RuntimeError: no memory left"] * 2
    assert grid(None, options).failed == {}  # the next call tries them again


def interrupted(given: str) -> dict[str, str]:
    """A worker at whose second pair somebody presses Ctrl-C."""
    if PairWork.model_validate_json(given).item.name == "001":
        raise KeyboardInterrupt
    return cell_work.work_on_pair(given)


def lost(given: str) -> dict[str, str]:
    """A worker that is lost after four cells."""
    work = PairWork.model_validate_json(given)
    cell_work.work_on_pair(work.model_copy(update={"cells": work.cells[:4]}).model_dump_json())
    raise RuntimeError("the worker is gone")


def test_an_interrupted_grid_has_its_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = SMALL.replaced(editors=("framewise",), arms=(), out=tmp_path / "run")
    with monkeypatch.context() as patched:
        patched.setattr(experiment, "work_on_pair", interrupted)
        with pytest.raises(KeyboardInterrupt):
            grid(None, options)
    assert {cell["pair"] for cell in lines(tmp_path / "run" / "cells.jsonl")} == {"000"}
    assert read_results(tmp_path / "run").values("framewise", "without", "clip_score").keys() == {"000"}
    assert grid(None, options).earlier == 6


def test_what_a_lost_worker_had_finished_is_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(experiment, "work_on_pair", lost)
    done = grid(None, SMALL.replaced(clips=1, editors=("framewise",), arms=(), out=tmp_path / "run"))
    assert done.done == 4 and len(done.failed) == 2
    assert all("the worker is gone" in reason for reason in done.failed.values())
    errors = [cell for cell in lines(tmp_path / "run" / "cells.jsonl") if "error" in cell]
    assert len(errors) == 2


def test_shards_keep_each_others_failures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: object, **named: object) -> object:
        raise RuntimeError("no memory left")

    options = SMALL.replaced(editors=("framewise",), arms=(), out=tmp_path / "run")
    monkeypatch.setattr(cell_work.running, "edit_clip", broken)
    for index in range(2):
        grid(None, options.replaced(shard_index=index, num_shards=2))
    errors = [cell for cell in lines(tmp_path / "run" / "cells.jsonl") if "error" in cell]
    assert [cell["pair"] for cell in errors] == ["000", "001"]
    with pytest.raises(InputError, match="each would delete what the others made"):
        grid(None, options.replaced(shard_index=0, num_shards=2, overwrite=True))


def test_a_damaged_cell_is_made_again(run: Path, tmp_path: Path) -> None:
    options = SMALL.replaced(clips=1, editors=("framewise",), arms=(), out=tmp_path / "run")
    grid(None, options)
    scores = (tmp_path / "run" / "scores.jsonl").read_text()
    cell = next(iter((tmp_path / "run" / "cells").iterdir()))
    features = tmp_path / "run" / "scores" / f"{cell.name}.safetensors"
    sums = {path: path.read_bytes() for path in (*cell.rglob("*.png"), features)}
    for damage in (
        (cell / "cell.json").unlink,
        lambda: (cell / "edited.mp4").write_bytes(b""),
        lambda: (cell / "frames" / "0001.png").write_bytes(sums[cell / "frames" / "0001.png"][:-20]),
        lambda: (cell / "manifest.json").write_text("[3"),
        lambda: features.write_bytes(sums[features][:-1]),
        features.unlink,
        lambda: features.with_suffix(".json").write_text("{}"),
    ):
        damage()
        assert grid(None, options).done == 1
        assert (tmp_path / "run" / "scores.jsonl").read_text() == scores
        assert {path: path.read_bytes() for path in sums} == sums


PROGRAM = """
import sys
from dataclasses import replace
from pathlib import Path
from frameweave.measuring.grid import grid
from frameweave.measuring.options import GridOptions
options = GridOptions(clips=2, frames=2, steps=2, editors=("framewise",), arms=(), workers=0)
grid(None, options.replaced(out=Path(sys.argv[1])))
"""


def test_a_killed_grid_goes_on(run: Path, tmp_path: Path) -> None:
    """It scores as the other grid scored the same cells."""
    out = tmp_path / "run"
    process = subprocess.Popen([sys.executable, "-c", PROGRAM, str(out)], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not list((out / "cells").glob("[!.]*")) and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    done = grid(None, SMALL.replaced(editors=("framewise",), arms=(), out=out))
    assert done.failed == {} and done.done + done.earlier == 12
    undisturbed = [
        line
        for line in (run / "scores.jsonl").read_text().splitlines()
        if (said := json.loads(line))["editor"] != "text2video_zero" and said["arm"] != "with"
    ]
    assert (out / "scores.jsonl").read_text().splitlines() == undisturbed


def test_a_table_of_videos(tmp_path: Path) -> None:
    table = tmp_path / "edits.csv"
    clip = held_out_clips()[0]
    table.write_text(
        "video,prompt,source_prompt\n"
        f"{clip.path},a red car in the snow,{clip.caption}\n"
        f"{clip.path},a green car in the snow,{clip.caption}\n"
    )
    done = grid(table, SMALL.replaced(editors=("framewise",), arms=(), out=tmp_path / "run"))
    assert done.failed == {}
    results = read_results(tmp_path / "run")
    assert len(results.values("framewise", "without", "clip_score")) == 1  # two prompts, one clip
    assert results.values("framewise", "without", "psnr_truth") == {}
    assert results.reason("framewise", "without", "psnr_truth") == "needs the true edit"


def test_a_clip_of_a_table_is_what_edit_gives_the_model(
    tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 96 x 64 pixels: scaled as a whole and padded, never squashed; what is measured has no padding."""
    video = tmp_path / "wide.mp4"
    Clip.of(torch.rand(3, 3, 64, 96, generator=torch.Generator().manual_seed(0))).write(video)
    seen: list[torch.Tensor] = []
    encode = StableDiffusion.encode

    def watched(self: StableDiffusion, frames: torch.Tensor, *others: object) -> torch.Tensor:
        seen.append(frames)
        return encode(self, frames, *others)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(StableDiffusion, "encode", watched)
    given = EditOptions(
        model=str(tiny_folder), steps=1, editor="framewise", use_cache=False, out=tmp_path / "e"
    )
    edit(video, ["a red car"], given)
    by_edit = torch.cat(seen)
    seen.clear()
    (tmp_path / "edits.csv").write_text("video,prompt\nwide.mp4,a red car\n")
    options = SMALL.replaced(editors=("framewise",), arms=(), steps=1, frames=3, out=tmp_path / "run")
    options = options.replaced(model=str(tiny_folder), backbones="miniature")
    assert grid(tmp_path / "edits.csv", options).failed == {}
    assert seen and all(torch.equal(frames, by_edit) for frames in seen)
    size = by_edit.shape[3], round(by_edit.shape[3] * 64 / 96)
    assert by_edit.shape[2] > size[1]  # it is padded
    cells = [Clip.read(file / "frames") for file in (tmp_path / "run" / "cells").iterdir()]
    assert {clip.size for clip in cells} == {size}


def test_a_cell_is_found_by_values_that_stay(tmp_path: Path) -> None:
    """Cells that were made before are found again: these keys are those of the published experiments."""
    options = SMALL.replaced(seeds=1, arms=(), editors=("framewise",), clips=2, out=tmp_path / "run")
    for changes, digest in ((1, "7774b2d5b6d93e54"), (2, "1a6fa462a1f7dac9")):
        items, _ = asked.items_of(None, options.replaced(changes=changes))
        run = Run(tmp_path / "run", RunRecord(command="grid"))
        work = next(iter(experiment.works_of(run, items, [Arm(name="without")], options)))
        assert work.cells[0].key == digest


def test_the_workers_device_need_not_be_here(tmp_path: Path) -> None:
    """The head of a cluster only tells what is to be done."""
    options = SMALL.replaced(arms=(), device="cuda:7", dtype="fp16", out=tmp_path / "run")
    with pytest.raises(InputError, match="cuda:7"):
        asked.items_of(None, options)
    options = options.replaced(ray_address="10.0.0.1:6379", workers=1)
    items, _ = asked.items_of(None, options)
    run = Run(tmp_path / "run", RunRecord(command="grid"))
    for work in experiment.works_of(run, items, [Arm(name="without")], options):
        assert (work.loading.choice.device, work.loading.choice.dtype) == ("cuda:7", "fp16")


def test_each_clip_may_have_an_adaptor_of_its_own(tmp_path: Path) -> None:
    whole = load_adaptor("miniature")
    for name, strength in (("000", 1.0), ("001", 0.5)):
        replace(whole, card=replace(whole.card, strength=strength)).save(tmp_path / name / "adaptor")
    options = SMALL.replaced(editors=("framewise",), out=tmp_path / "run")
    items, _ = asked.items_of(None, options)
    run = Run(tmp_path / "run", RunRecord(command="grid"))
    arms = [Arm(name="own", adaptor=str(tmp_path / "{clip}" / "adaptor"))]
    arms += [Arm(name=name, adaptor=str(tmp_path / name / "adaptor")) for name in ("000", "001")]
    for index, work in enumerate(experiment.works_of(run, items, arms, options)):
        key = {cell.arm.name: cell.key for cell in work.cells}
        assert key["own"] == key[f"00{index}"] != key[f"00{1 - index}"]
    with pytest.raises(ModelFolderError, match="002"):  # told before any edit
        grid(None, options.replaced(clips=3, arms=(f"own={tmp_path}/{{clip}}/adaptor",)))


def test_each_seed_may_have_an_adaptor_of_its_own(tmp_path: Path) -> None:
    whole = load_adaptor("miniature")
    for seed, strength in enumerate((1.0, 0.5)):
        replace(whole, card=replace(whole.card, strength=strength)).save(tmp_path / f"{seed}" / "adaptor")
    options = SMALL.replaced(editors=("framewise",), seeds=2, out=tmp_path / "run")
    items, _ = asked.items_of(None, options)
    run = Run(tmp_path / "run", RunRecord(command="grid"))
    arms = [Arm(name="ours", adaptor=str(tmp_path / "{seed}" / "adaptor"))]
    arms += [Arm(name=f"{seed}", adaptor=str(tmp_path / f"{seed}" / "adaptor")) for seed in range(2)]
    for work in experiment.works_of(run, items, arms, options):
        key = {(cell.arm.name, cell.seed): cell.key for cell in work.cells}
        for seed in range(2):
            assert key["ours", seed] == key[f"{seed}", seed] != key[f"{1 - seed}", seed]
    with pytest.raises(ModelFolderError, match="2"):  # told before any edit
        grid(None, options.replaced(seeds=3, arms=(f"ours={tmp_path}/{{seed}}/adaptor",)))


def test_a_set_that_is_called_otherwise_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = SMALL.replaced(clips=1, steps=1, editors=("framewise",), arms=(), out=tmp_path / "run")
    done = grid(None, options)
    monkeypatch.setattr(asked, "set_name", lambda *_: "the clips in other words")
    assert grid(None, options).earlier == done.done
    assert read_run(tmp_path / "run").result["test_set"] == "the clips in other words"


def test_videos_count_by_their_contents(tmp_path: Path) -> None:
    """The same files elsewhere take the same cells; another video under the same name does not."""
    options = SMALL.replaced(editors=("framewise",), arms=(), cells=tmp_path / "cells")
    for folder, colour in (("a", "red"), ("b", "red"), ("b", "green")):
        (tmp_path / folder).mkdir(exist_ok=True)
        held_out_clips()[0].rendered(2, colour=colour).write(tmp_path / folder / "clip.mp4")
        (tmp_path / folder / "edits.csv").write_text("video,prompt\nclip.mp4,a blue car in the snow\n")
        done = grid(tmp_path / folder / "edits.csv", options.replaced(out=tmp_path / f"run-{folder}"))
        assert done.failed == {}
    assert len(list((tmp_path / "cells").iterdir())) == 2 * 5  # no true edit among the references
    source = Clip.read(tmp_path / "run-b" / "pairs" / "000" / "source.mp4").frames
    assert float((source - Clip.read(tmp_path / "b" / "clip.mp4").frames).abs().mean()) < 0.01
    values = read_results(tmp_path / "run-b").values("reference", "source unchanged", "clip_directional")
    assert values == {}  # unchanged frames have no direction


def test_videos_that_are_missing_are_told_before_any_work(tmp_path: Path) -> None:
    table = tmp_path / "edits.csv"
    table.write_text("video,prompt\nabsent.mp4,a red car\n")
    with pytest.raises(DataError, match=r"edits\.csv: the video .*absent\.mp4 is not there"):
        grid(table, SMALL.replaced(out=tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_a_model_without_depth_is_told_before_any_work(tmp_path: Path, tiny_folder: Path) -> None:
    table, model = tmp_path / "edits.csv", tmp_path / "model"
    table.write_text(f"video,prompt\n{held_out_clips()[0].path},a red car\n")
    shutil.copytree(tiny_folder, model)
    options = SMALL.replaced(model=str(model), backbones="miniature", out=tmp_path / "run")
    for folder, said in (
        ("depth_estimator", "no depth estimator.*--depth-model"),
        ("controlnet", "--controlnet"),
    ):
        shutil.rmtree(model / folder)
        with pytest.raises(InputError, match=f"text2video_zero needs depth, and .*{said}"):
            grid(table, options)
    assert not options.out.exists()


def test_other_models_are_not_compared_with_the_packaged_adaptor_unasked(
    tmp_path: Path, tiny_folder: Path
) -> None:
    table = tmp_path / "edits.csv"
    table.write_text(f"video,prompt\n{held_out_clips()[0].path},a red car\n")
    options = SMALL.replaced(editors=("framewise",), backbones="miniature", out=tmp_path / "run")
    assert grid(table, options.replaced(model=str(tiny_folder))).failed == {}
    assert read_results(tmp_path / "run").arms("framewise") == ["without"]
    grid(table, options.replaced(out=tmp_path / "own"))
    assert read_results(tmp_path / "own").arms("framewise") == ["without", "with"]


def test_a_single_file_is_measured_as_its_folder(tmp_path: Path, tiny_folder: Path) -> None:
    table = tmp_path / "edits.csv"
    table.write_text(f"video,prompt\n{held_out_clips()[0].path},a red car\n")
    options = SMALL.replaced(editors=("framewise",), backbones="miniature", steps=1, frames=2)
    file = save_original(tiny_folder, tmp_path / "model.safetensors")
    asked = {
        "folder": options.replaced(model=str(tiny_folder)),
        "file": options.replaced(model=str(file), config=str(tiny_folder), vae=str(tiny_folder)),
    }
    found: list[set[bytes]] = []
    for name, one in asked.items():
        assert grid(table, one.replaced(out=tmp_path / name)).failed == {}
        cells = (tmp_path / name / "cells").iterdir()
        found.append({Clip.read(cell / "frames").frames.numpy().tobytes() for cell in cells})
    assert found[0] == found[1]
    with pytest.raises(ModelFolderError, match="no such folder"):
        grid(table, options.replaced(model=str(tiny_folder), vae="nowhere", out=tmp_path / "none"))
    assert not (tmp_path / "none").exists()


def test_a_name_that_leads_elsewhere_is_refused(tmp_path: Path) -> None:
    table = tmp_path / "edits.csv"
    table.write_text("video,prompt,name\na.mp4,a red car,../../elsewhere\n")
    with pytest.raises(DataError, match="leave out slashes"):
        grid(table, SMALL.replaced(out=tmp_path / "run"))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"clips": 0}, "clips is 0"),
        ({"changes": 5}, "changes is 5, expected 1 to 4"),
        ({"size": -64}, "size is -64"),
        ({"device": "gpu"}, "device 'gpu' is not available on this machine"),
        ({"editors": ("frame",)}, "framewise"),
        ({"arms": ("a=miniature", "a=miniature@1")}, "a name of its own"),
        ({"arms": ("without=miniature",)}, "a name of its own"),
        ({"model": "someone/model"}, "give a table"),
    ],
)
def test_bad_settings(change: dict[str, object], said: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=said):
        grid(None, SMALL.replaced(out=tmp_path / "run", **change))  # pyright: ignore
    assert not (tmp_path / "run").exists()


def test_the_report_has_every_table_in_every_format(run: Path, tmp_path: Path) -> None:
    page = report([run], tmp_path)
    names = {path.name for path in (tmp_path / "tables").iterdir()}
    assert {"headline.md", "headline.tex", "headline.csv", "headline.html", "pooled.md", "cost.csv"} <= names
    assert page == tmp_path / "report.html" and page.is_file()
    text = (tmp_path / "tables" / "headline.md").read_text()
    assert text.count("\n| framewise |") == 2 and "miniature-judge" in text
    with pytest.raises(DataError, match=r"metrics\.json"):
        report([tmp_path / "tables"])


def test_published_networks_measure_cells_that_are_there(
    run: Path, published_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = SMALL.replaced(
        arms=("with=miniature@2,window=0-1",),
        cells=run / "cells",
        backbones="real",
        weights=published_folder,
        clip_model=str(published_folder / "clip"),
        out=tmp_path / "real",
    )
    monkeypatch.setattr(cell_work.running, "edit_clip", None)  # no edit is made again
    done = grid(None, options)
    assert (done.done, done.failed) == (18, {})
    titles = {
        str(row["name"]): str(row["title"])
        for row in json.loads((tmp_path / "real/metrics.json").read_text())
    }
    assert "[alexnet-" in titles["lpips_truth"] and "[inception-2015-" in titles["kid_truth"]
    assert "[miniature-judge-" in titles["follows_all"]  # the world's own question stays with its judge
    values = {
        line["metric"] for line in lines(tmp_path / "real" / "scores.jsonl") if line["value"] is not None
    }
    assert {"lpips_truth", "clip_score", "fid_clip_frames", "follows_all"} <= values


def test_weights_that_are_missing_are_told_before_any_edit(tmp_path: Path) -> None:
    options = SMALL.replaced(backbones="real", weights=tmp_path, out=tmp_path / "run")
    with pytest.raises(ModelFolderError, match="no weights of AlexNet"):
        grid(None, options)
    assert not (tmp_path / "run").exists()  # so that the command with other weights is not refused
    with pytest.raises(ModelFolderError, match="nowhere"):
        grid(None, SMALL.replaced(controlnet=str(tmp_path / "nowhere"), out=tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_settings_of_the_editors_reach_the_edits_and_tell_cells_apart(tmp_path: Path) -> None:
    options = SMALL.replaced(clips=1, editors=("framewise",), arms=(), cells=tmp_path / "cells")
    grid(None, options.replaced(out=tmp_path / "usual"))
    grid(None, options.replaced(set=("framewise.strength=0.5",), out=tmp_path / "half"))
    facts = [json.loads(path.read_text()) for path in sorted((tmp_path / "cells").glob("*/cell.json"))]
    edits = [one["settings"] for one in facts if one["editor"] == "framewise"]
    usual = {"steps": SMALL.steps}
    assert sorted(edits, key=len) == [usual, usual | {"strength": 0.5}]
    with pytest.raises(InputError, match="unknown setting of framewise 'strenght'"):
        grid(None, options.replaced(set=("strenght=0.5",), out=tmp_path / "wrong"))
    assert not (tmp_path / "wrong").exists()


def test_edits_are_made_steadier_after_one_edit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An arm alone does it, without an adaptor: the edit is known and counts, and the result is steadier."""
    options = SMALL.replaced(clips=1, frames=4, editors=("framewise",), out=tmp_path / "run")
    made: list[EditRequest] = []
    edit = Framewise.edit
    monkeypatch.setattr(Framewise, "edit", lambda self, request: made.append(request) or edit(self, request))
    assert grid(None, options.replaced(arms=("steadied=none,steady",))).failed == {}
    assert len(made) == 1
    cells = {cell["arm"]: cell for cell in lines(tmp_path / "run" / "cells.jsonl")}
    assert {cell["frames"] for cell in cells.values()} == {4}
    cost = cells["steadied"]["seconds"], cells["steadied"]["memory_gb"]
    assert cost[0] > cells["without"]["seconds"] / 2 and cost[1] >= cells["without"]["memory_gb"]
    assert {cells[arm]["inversion_seconds"] for arm in ("without", "steadied")} == {0}
    results = read_results(tmp_path / "run")
    steadied, without = (
        results.values("framewise", arm, "warp_error")["000"] for arm in ("steadied", "without")
    )
    assert steadied < without


def test_an_adaptor_that_acts_in_no_step_is_told(tmp_path: Path) -> None:
    options = SMALL.replaced(clips=1, editors=("framewise",), out=tmp_path / "run")
    arms = ("never=miniature@1,window=0.9-0.95", "acts=miniature@2,window=0-1")
    notes = Notes()
    grid(None, options.replaced(arms=arms), progress=notes)
    told = [note for note in notes.texts if "changes nothing" in note]
    assert told == ["never changes nothing in framewise: all its scores are those of without"]
