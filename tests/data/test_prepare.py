"""The whole job from videos to shards: modes, failures, kills; the same bytes whatever happened."""

import errno
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from frameweave.data.captions.edit_prompt import ClipPrompts, EditPrompt
from frameweave.data.captions.prompts_file import write_prompts
from frameweave.data.checking import check
from frameweave.data.dataset import INDEX, SKIPPED, read_index
from frameweave.data.options import PrepareOptions
from frameweave.data.plan import PLAN
from frameweave.data.prepare import planned_figures, prepare
from frameweave.data.reading import ShardGroups
from frameweave.data.shards import shard
from frameweave.data.shards.tars import Member
from frameweave.errors import DataError, InputError, RunError
from frameweave.runs.engines import engine_of
from videos import blobs, colour_ramp, enormous_gif, write_video


def write_clips(folder: Path, numbers: range) -> Path:
    """Videos with captions and depth of their own."""
    folder.mkdir(exist_ok=True)
    for k in numbers:
        write_video(folder / f"clip{k:02}.mp4", blobs(12, k), faststart=True)
        (folder / f"clip{k:02}.txt").write_text(f"number {k}\nblobs that slide\n")
        depth = np.random.default_rng(k).uniform(0, 1, (12, 32, 48))
        np.save(folder / f"clip{k:02}.depth.npy", depth.astype(np.float32))
    return folder


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write_clips(tmp_path / "videos", range(10))


@pytest.fixture
def options(tmp_path: Path) -> PrepareOptions:
    return PrepareOptions(
        out=tmp_path / "shards", size=32, per_clip=2, frames=2, clips_per_shard=3, workers=0, timeout=30
    )


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_a_folder_becomes_a_data_set(source: Path, options: PrepareOptions) -> None:
    done = prepare(str(source), options)
    assert done.summary is not None and done.shards_made == 4
    assert (done.summary.clips, done.summary.groups, done.summary.skipped) == (10, 20, {})
    assert check(options.out).faults == []
    groups = ShardGroups(options.out)
    assert groups.group(0).captions == ("number 0", "blobs that slide")
    assert (own := groups.about(0).depth) is not None and own.by == "own"


def test_a_second_run_makes_nothing_and_changes_nothing(source: Path, options: PrepareOptions) -> None:
    prepare(str(source), options)
    before = bytes_of(options.out)
    assert prepare(str(source), options).shards_made == 0
    assert bytes_of(options.out) == before


def test_damaged_and_missing_shards_are_made_anew(source: Path, options: PrepareOptions) -> None:
    prepare(str(source), options)
    before = bytes_of(options.out)
    (options.out / "all-000001.tar").write_bytes(b"torn")
    (options.out / "all-000002.json").unlink()
    assert prepare(str(source), options).shards_made == 2
    assert bytes_of(options.out) == before


@pytest.mark.parametrize(
    ("depth", "on", "own", "workers"),
    [
        ("auto", "cuda", False, 4),
        ("auto", "cuda", True, None),
        ("auto", "cpu", False, None),
        ("none", "cuda", False, None),
    ],
)
def test_few_workers_put_estimators_on_a_gpu(
    source: Path,
    options: PrepareOptions,
    depth: Any,
    on: str,
    own: bool,
    workers: int | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`own`: whether every clip brings its depth, so that nothing is estimated."""
    if not own:
        (source / "clip03.depth.npy").unlink()
    seen = list[int | None]()

    def listening(asked: PrepareOptions) -> Any:
        seen.append(asked.workers)
        return engine_of(asked.replaced(workers=0))

    def ones(pictures: list[bytes]) -> Any:
        return np.ones((len(pictures), 32, 32), np.float32)

    monkeypatch.setattr("frameweave.data.shard_work._estimate", lambda name, device: ones)
    monkeypatch.setattr("frameweave.data.prepare.engine_of", listening)
    monkeypatch.setattr("frameweave.data.prepare.processors", lambda: 32)
    monkeypatch.setattr("frameweave.models.loading.device.torch_device", lambda _: torch.device(on))
    prepare(str(source), options.replaced(workers=None, depth=depth))
    assert seen == [workers]


def test_workers_and_array_tasks_give_the_same_bytes(
    source: Path, options: PrepareOptions, tmp_path: Path
) -> None:
    prepare(str(source), options)
    expected = bytes_of(options.out)
    two = options.replaced(workers=2, out=tmp_path / "two")
    prepare(str(source), two)
    assert bytes_of(two.out) == expected
    tasks = [options.replaced(shard_index=k, num_shards=3, out=tmp_path / "array") for k in (2, 0, 1)]
    done = [prepare(str(source), task) for task in tasks]
    assert [one.summary is None for one in done] == [True, True, False]
    assert bytes_of(tmp_path / "array") == expected


def test_what_fails_is_listed_can_be_tried_again_and_the_rest_stays(
    source: Path, options: PrepareOptions
) -> None:
    video = source / "clip04.mp4"
    whole = video.read_bytes()
    video.write_bytes(whole[: len(whole) // 2])
    lenient = options.replaced(max_failure_rate=0.2)
    done = prepare(str(source), lenient)
    assert done.summary is not None and done.summary.skipped == {"truncated": 1}
    assert json.loads((options.out / SKIPPED).read_text())["id"] == "clip04"
    before = bytes_of(options.out)
    video.write_bytes(whole)
    done = prepare(str(source), lenient.replaced(mode="retry-failed"))
    assert done.summary is not None and done.shards_made == 1
    assert (done.summary.clips, done.summary.groups, done.summary.skipped) == (10, 20, {})
    after = bytes_of(options.out)
    assert all(after[name] == before[name] for name in before if name.startswith("all-"))
    assert prepare(str(source), lenient.replaced(mode="retry-failed")).shards_made == 0


def clips_of(folder: Path) -> list[str]:
    """Of each group the clip."""
    groups = ShardGroups(folder)
    return [groups.about(index).clip for index in range(len(groups))]


def test_a_retry_that_is_stopped_and_repeated_takes_each_clip_once(
    source: Path, options: PrepareOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    videos = [source / f"clip{k:02}.mp4" for k in range(3)]
    whole = [video.read_bytes() for video in videos]
    for video in videos:
        video.write_bytes(b"")
    prepare(str(source), options.replaced(max_failure_rate=0.5))
    for video, content in zip(videos, whole, strict=True):
        video.write_bytes(content)
    retry = options.replaced(mode="retry-failed")

    def stopped(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("frameweave.data.prepare.engine_of", stopped)
    with pytest.raises(KeyboardInterrupt):
        prepare(str(source), retry)  # the plan has the clips once more, and nothing is made of them
    monkeypatch.undo()
    done = prepare(str(source), retry)
    assert done.summary is not None and (done.shards_made, done.summary.clips) == (1, 10)
    assert sorted(clips_of(options.out)) == sorted(2 * [f"clip{k:02}" for k in range(10)])
    assert check(options.out).faults == []


def test_new_clips_are_added_as_new_shards(source: Path, options: PrepareOptions) -> None:
    prepare(str(source), options)
    before = bytes_of(options.out)
    write_clips(source, range(10, 12))
    assert prepare(str(source), options).shards_made == 0
    done = prepare(str(source), options.replaced(mode="extend"))
    assert done.summary is not None and (done.shards_made, done.summary.clips) == (1, 12)
    after = bytes_of(options.out)
    assert all(after[name] == before[name] for name in before if name.startswith("all-"))


def test_a_second_clip_of_an_id_is_counted_and_listed(source: Path, options: PrepareOptions) -> None:
    """Also when the first one gave groups, and when it comes with an extension."""
    write_video(source / "clip03.mov", blobs(12, 99))
    done = prepare(str(source), options)
    assert done.summary is not None
    assert (done.summary.clips, done.summary.skipped) == (10, {"duplicate": 1})
    [line] = map(json.loads, (options.out / SKIPPED).read_text().splitlines())
    assert (line["id"], line["reason"]) == ("clip03", "duplicate") and "clip03.mp4" in line["detail"]
    write_video(source / "clip04.mov", blobs(12, 98))
    write_clips(source, range(10, 11))
    done = prepare(str(source), options.replaced(mode="extend"))
    assert done.summary is not None
    assert (done.summary.clips, done.summary.skipped) == (11, {"duplicate": 2})


def test_a_table_with_a_row_for_each_caption(source: Path, options: PrepareOptions, tmp_path: Path) -> None:
    rows = "".join(f"videos/clip{k:02}.mp4,caption {n} of {k}\n" for n in range(3) for k in range(2))
    (tmp_path / "rows.csv").write_text(f"path,caption\n{rows}")
    done = prepare(str(tmp_path / "rows.csv"), options.replaced(depth="none"))
    assert done.summary is not None and (done.summary.clips, done.summary.skipped) == (2, {})
    groups = ShardGroups(options.out)
    found = {groups.about(index).clip: groups.group(index).captions for index in range(len(groups))}
    assert found["videos/clip01.mp4"] == ("caption 0 of 1", "caption 1 of 1", "caption 2 of 1")


def test_a_plan_that_has_changed_is_not_worked_on(source: Path, options: PrepareOptions) -> None:
    """One letter of a caption: the shard would be made again, with the wrong caption under whole sums."""
    prepare(str(source), options)
    whole = (options.out / PLAN).read_text()
    (options.out / PLAN).write_text(whole.replace("number 4", "number 9"))
    with pytest.raises(
        DataError, match=r"plan.jsonl: it has changed since index.json was written.*overwrite"
    ):
        prepare(str(source), options)
    (options.out / INDEX).unlink()
    with pytest.raises(DataError, match=r"plan.jsonl: the line of all-000001 is not the one"):
        prepare(str(source), options)
    (options.out / PLAN).write_text(whole)
    done = prepare(str(source), options)
    assert done.summary is not None and (done.shards_made, done.summary.clips) == (0, 10)


@pytest.mark.parametrize("change", [("groups", 5), ("failed", 1), ("clips", 9), ("members", [])])
def test_a_seal_that_tells_other_things_than_its_files_is_no_seal(
    change: tuple[str, object], source: Path, options: PrepareOptions
) -> None:
    prepare(str(source), options)
    before = bytes_of(options.out)
    seal = options.out / "all-000000.json"
    seal.write_text(json.dumps(json.loads(seal.read_text()) | dict([change])))
    assert check(options.out).faults == ["all-000000.json has changed"]
    assert prepare(str(source), options).shards_made == 1
    assert bytes_of(options.out) == before


def test_too_many_failures_stop_the_run(source: Path, options: PrepareOptions) -> None:
    for k in range(4):
        (source / f"clip{k:02}.mp4").write_bytes(b"")
    for _ in range(2):  # the shards are all there the second time
        with pytest.raises(RunError, match="4 of 10 clips gave no group, more than --max-failure-rate 0.05"):
            prepare(str(source), options)
        assert not (options.out / INDEX).exists()
    done = prepare(str(source), options.replaced(max_failure_rate=0.5))
    assert done.summary is not None and done.summary.skipped == {"not_a_video": 4}


def test_failures_are_counted_over_the_data_set_and_by_the_last_try(
    source: Path, options: PrepareOptions
) -> None:
    videos = [source / f"clip{k:02}.mp4" for k in range(2)]
    whole = videos[1].read_bytes()
    for video in videos:
        video.write_bytes(b"")
    lenient = options.replaced(max_failure_rate=0.2)
    prepare(str(source), lenient)
    videos[1].write_bytes(whole)
    retry = lenient.replaced(mode="retry-failed")
    done = prepare(str(source), retry)  # half of this run's clips fail, and a tenth of all
    assert done.summary is not None
    assert (done.summary.clips, done.summary.skipped) == (9, {"not_a_video": 1})
    with pytest.raises(RunError, match="1 of 10 clips gave no group"):
        prepare(str(source), retry.replaced(max_failure_rate=0.05))


def test_an_array_of_jobs_is_judged_as_a_whole(source: Path, options: PrepareOptions) -> None:
    (source / "clip00.mp4").write_bytes(b"")
    jobs = [options.replaced(clips_per_shard=2, shard_index=k, num_shards=2) for k in (0, 1)]
    assert prepare(str(source), jobs[0]).summary is None  # 1 of 6 clips: too few to say anything
    with pytest.raises(RunError, match="1 of 10 clips gave no group"):
        prepare(str(source), jobs[1])  # none of its own clips failed
    lenient = [job.replaced(max_failure_rate=0.1) for job in jobs]
    assert prepare(str(source), lenient[0]).summary is not None


@pytest.mark.parametrize("mode", ["overwrite", "retry-failed"])
def test_jobs_of_an_array_cannot_start_anew(mode: Any, source: Path, options: PrepareOptions) -> None:
    with pytest.raises(InputError, match=f"--mode {mode} in one of several jobs"):
        prepare(str(source), options.replaced(mode=mode, shard_index=0, num_shards=2))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (
            {"clips_per_shard": 0},
            "clips_per_shard is 0, expected at least 1; .* default, 100",
        ),
        ({"frames": 0}, "frames is 0, expected at least 1"),
        ({"stride": -1}, "stride is -1, expected at least 1"),
        ({"per_clip": 0}, "per_clip is 0, expected at least 1"),
        ({"size": 0}, "size is 0, expected at least 1"),
        ({"tries": 0}, "tries is 0, expected at least 1"),
        ({"quality": 0}, "quality is 0, expected 1 to 100; leave it out for the default, 95"),
        ({"quality": 101}, "quality is 101, expected 1 to 100"),
        ({"still": -1.0}, "still is -1.0, expected 0 to 1"),
        ({"max_failure_rate": 5.0}, "max_failure_rate is 5.0, expected 0 to 1"),
    ],
)
def test_numbers_out_of_range_are_told_before_any_work(
    wrong: dict[str, Any], message: str, options: PrepareOptions
) -> None:
    for job in (prepare, planned_figures):
        with pytest.raises(InputError, match=message):
            job("absent", options.replaced(**wrong))


def test_a_damaged_picture_costs_its_clip_alone(options: PrepareOptions, tmp_path: Path) -> None:
    """A PNG file with a chunk of no name, for which PIL raises a `SyntaxError`."""
    for name in ("good", "bad"):
        (tmp_path / "pictures" / name).mkdir(parents=True)
        (tmp_path / "pictures" / f"{name}.txt").write_text("noise\n")
        for k in range(4):
            noise = np.random.default_rng(k).integers(0, 255, (200, 200, 3), dtype=np.uint8)
            Image.fromarray(noise).save(tmp_path / "pictures" / name / f"{k}.png")
    for picture in (tmp_path / "pictures" / "bad").iterdir():
        data = bytearray(picture.read_bytes())
        second = data.index(b"IDAT", data.index(b"IDAT") + 4)
        data[second : second + 4] = bytes(4)
        picture.write_bytes(data)
    lenient = options.replaced(depth="none", cut=1.0, max_failure_rate=0.5)
    done = prepare(str(tmp_path / "pictures"), lenient)
    assert done.summary is not None
    assert (done.summary.clips, done.summary.skipped) == (1, {"unreadable": 1})


def test_other_settings_need_another_folder(source: Path, options: PrepareOptions) -> None:
    prepare(str(source), options)
    with pytest.raises(RunError, match=r"prepared with seed = 0 \(now 1\)"):
        prepare(str(source), options.replaced(seed=1))
    done = prepare(str(source), options.replaced(seed=1, mode="overwrite"))
    assert done.shards_made == 4 and read_index(options.out).settings["seed"] == 1


def test_folders_of_other_things_are_left_alone(source: Path, options: PrepareOptions) -> None:
    options.out.mkdir()
    (options.out / "thesis.txt").write_text("mine")
    for mode in ("resume", "overwrite"):
        with pytest.raises(RunError, match="not empty, and no data set"):
            prepare(str(source), options.replaced(mode=mode))
    assert (options.out / "thesis.txt").read_text() == "mine"


def test_a_dry_run_writes_nothing(source: Path, options: PrepareOptions) -> None:
    (source / "clip03.txt").unlink()
    found = planned_figures(str(source), options)
    assert (found.clips, found.shards, found.skipped) == ({"all": 9}, {"all": 3}, {"no_caption": 1})
    assert found.groups_at_most == 18 and not options.out.exists()


def test_a_source_without_clips_is_refused(options: PrepareOptions, tmp_path: Path) -> None:
    write_video(tmp_path / "videos.mp4", blobs(3))
    (tmp_path / "few").mkdir()
    write_video(tmp_path / "few" / "a.mp4", blobs(3))
    with pytest.raises(DataError, match=r"no clip to use \(1 no_caption\)"):
        prepare(str(tmp_path / "few"), options)


_JOB = """
import sys
from pathlib import Path
from frameweave.data.options import PrepareOptions
from frameweave.data.prepare import prepare
prepare(sys.argv[1], PrepareOptions(out=Path(sys.argv[2]), size=32, per_clip=2, frames=2,
                                    clips_per_shard=1, workers=2, timeout=30))
"""


@pytest.mark.parametrize("kills", [4, pytest.param(12, marks=pytest.mark.slow)])
def test_a_run_that_is_killed_again_and_again_ends_like_one_that_is_not(
    kills: int, source: Path, options: PrepareOptions, tmp_path: Path
) -> None:
    """Kill -9 at random moments, which count from the first file that a run writes."""
    write_clips(source, range(10, 16))
    whole, out = options.replaced(clips_per_shard=1, out=tmp_path / "whole"), tmp_path / "killed"
    prepare(str(source), whole)
    rng, killed = random.Random(0), 0
    command = [sys.executable, "-c", _JOB, str(source), str(out)]

    def written() -> set[str]:
        return {path.name for path in out.iterdir()} if out.exists() else set()

    for _ in range(kills):
        before = written()
        with subprocess.Popen(command, start_new_session=True) as job:
            while job.poll() is None and written() <= before:
                time.sleep(0.002)
            with suppress(subprocess.TimeoutExpired):
                job.wait(rng.uniform(0, 0.1))
            if job.poll() is None:
                os.killpg(job.pid, signal.SIGKILL)
                killed += 1
    subprocess.run(command, check=True)
    assert killed > 0
    found = {name: data for name, data in bytes_of(out).items() if name[0] != "."}
    assert found == bytes_of(whole.out)


def test_edit_prompts_go_along(source: Path, options: PrepareOptions, tmp_path: Path) -> None:
    edit = EditPrompt(source="number 3", prompt="number 4", kind="object", changed=("3", "4"), by="rules")
    write_prompts(tmp_path / "prompts.jsonl", [ClipPrompts(id="clip03", prompts=(edit,))])
    prepare(str(source), options.replaced(prompts=tmp_path / "prompts.jsonl"))
    groups = ShardGroups(options.out)
    found = {about.clip: about.prompts for about in map(groups.about, range(len(groups)))}
    assert found == {f"clip{k:02}": (edit,) if k == 3 else () for k in range(10)}


def odd_videos(folder: Path) -> dict[str, str]:
    """Files of every unusual kind, with captions; and why each gives no group, or nothing when it does."""
    folder.mkdir()
    moving = blobs(12)
    (folder / "empty.mp4").write_bytes(b"")
    (folder / "text.mp4").write_text("no video")
    (folder / "playlist.mp4").write_text(f"#EXTM3U\n#EXTINF:1,\n{folder}/uneven.mp4\n")
    write_video(folder / "sound.mp4", colour_ramp(0, (32, 32)), sound=1)
    write_video(folder / "single.mp4", moving[:1])
    enormous_gif(folder / "enormous.gif", side=60_000)
    whole = write_video(folder / "torn.mp4", moving, faststart=True).read_bytes()
    (folder / "torn.mp4").write_bytes(whole[: len(whole) // 2])
    write_video(folder / "frozen.mp4", np.repeat(moving[:1], 12, axis=0))
    write_video(folder / "pixel.mkv", moving[:, :1, :1], pixel_format="yuv444p")
    uneven = [Fraction(k * k + k, 30) for k in range(12)]
    write_video(folder / "uneven.mp4", moving, times=uneven)
    write_video(folder / "turned.mp4", moving, rotation=90)
    write_video(folder / "deep.mkv", moving, pixel_format="yuv420p10le")
    write_video(folder / "clear.mkv", moving, pixel_format="yuva420p", codec="libvpx-vp9")
    for video in list(folder.iterdir()):
        video.with_suffix(".txt").write_text("a caption\n")
    faults = {
        "empty": "not_a_video",
        "text": "not_a_video",
        "playlist": "not_a_video",
        "sound": "no_pictures",
        "single": "too_short",
        "enormous": "too_large",
        "torn": "truncated",
        "frozen": "still",
    }
    return {path.stem: faults.get(path.stem, "") for path in folder.glob("*.txt")}


def test_every_odd_video_gets_its_line_and_stops_nothing(options: PrepareOptions, tmp_path: Path) -> None:
    expected = odd_videos(tmp_path / "odd")
    lenient = options.replaced(depth="none", max_failure_rate=1.0, still=0.01)
    done = prepare(str(tmp_path / "odd"), lenient)
    assert done.summary is not None
    lines = (line for file in options.out.glob("all-*.jsonl") for line in file.read_text().splitlines())
    found = {made["clip"]: made.get("reason", "") for made in map(json.loads, lines)}
    assert found == expected
    assert check(options.out).faults == []


def test_a_full_disk_loses_nothing_that_is_finished(
    source: Path, options: PrepareOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = shard.write_tar

    def full(path: Path, members: Iterator[tuple[str, bytes]]) -> list[Member]:
        if "000002" in path.name:
            raise OSError(errno.ENOSPC, "No space left on device")
        return written(path, members)

    monkeypatch.setattr(shard, "write_tar", full)
    with pytest.raises(
        RunError, match="all-000002: .*No space left on device: .*all-000002.tar.*; mend the cause"
    ):
        prepare(str(source), options)
    assert sorted(path.name for path in options.out.glob("*.tar")) == ["all-000000.tar", "all-000001.tar"]
    monkeypatch.undo()
    assert prepare(str(source), options).shards_made == 2


def test_ray_gives_the_same_bytes(source: Path, options: PrepareOptions, tmp_path: Path) -> None:
    pytest.importorskip("ray")
    prepare(str(source), options)
    prepare(str(source), options.replaced(ray=True, workers=1, out=tmp_path / "ray"))
    assert bytes_of(tmp_path / "ray") == bytes_of(options.out)
