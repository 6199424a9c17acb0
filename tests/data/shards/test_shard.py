"""Shards: a function of plan line and settings; sealed last; read back by offsets, and by WebDataset."""

import gc
import importlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from frameweave.data.dataset import INDEX, SKIPPED, read_index
from frameweave.data.extraction import extract
from frameweave.data.plan import PLAN, Choice, Plan, ShardPlan, planned, write_plan
from frameweave.data.reading import ShardGroups
from frameweave.data.record import ClipRecord, Skipped
from frameweave.data.shards.seal import seal_of
from frameweave.data.shards.shard import About, build_shard
from frameweave.errors import DataError
from prepared import SETTINGS, Listed, brightness, prepared, some_clips

CHOICE = Choice(source="here", clips_per_shard=2)


@pytest.fixture
def clips(tmp_path: Path) -> list[ClipRecord]:
    """Three for training, two for tests, the last of which is missing."""
    found = some_clips(tmp_path / "videos", 5)
    return [*found[:4], found[4].replaced(path=str(tmp_path / "absent.mp4"))]


def test_the_same_plan_gives_the_same_bytes(tmp_path: Path, clips: list[ClipRecord]) -> None:
    a, b = (prepared(tmp_path / name, clips) for name in ("a", "b"))
    names = sorted(path.name for path in a.iterdir())
    assert names == sorted(path.name for path in b.iterdir())
    assert [name for name in names if name.endswith(".tar")] == [
        "test-000000.tar",
        "train-000000.tar",
        "train-000001.tar",
    ]
    for name in names:
        assert (a / name).read_bytes() == (b / name).read_bytes(), name


def test_groups_come_back_with_depth_and_captions(tmp_path: Path, clips: list[ClipRecord]) -> None:
    folder = prepared(tmp_path / "a", clips)
    train, whole = ShardGroups(folder, "train"), ShardGroups(folder)
    assert (len(train), len(whole)) == (6, 8)
    assert len({whole.key(index) for index in range(8)}) == 8
    for index in range(6):
        about, group = train.about(index), train.group(index)
        clip = next(clip for clip in clips if clip.id == about.clip)
        expected = extract(clip.path, clip.id, SETTINGS).groups[about.group]
        assert about.frames == expected.numbers
        assert (about.split, about.category) == ("train", "music")
        assert group.captions == clip.captions
        right = np.stack([np.asarray(Image.open(io.BytesIO(p))) for p in expected.pictures])
        assert np.allclose(group.frames.permute(0, 2, 3, 1).numpy() * 255, right, atol=1e-3)
        scale = about.depth
        assert group.depth is not None and scale is not None
        back = scale.low + group.depth[:, 0].numpy() * (scale.high - scale.low)
        assert np.allclose(back, brightness(list(expected.pictures)), atol=0.01)


def test_a_reader_goes_to_another_process(tmp_path: Path, clips: list[ClipRecord]) -> None:
    import pickle

    groups = ShardGroups(prepared(tmp_path / "a", clips))
    groups.group(0)
    again = pickle.loads(pickle.dumps(groups))
    assert again._tars is not groups._tars and again.group(3).captions == groups.group(3).captions


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # it leaves files open
def test_webdataset_reads_them_too(tmp_path: Path, clips: list[ClipRecord]) -> None:
    folder = prepared(tmp_path / "a", clips)
    shards = [str(folder / f"train-00000{k}.tar") for k in (0, 1)]
    webdataset: Any = importlib.import_module("webdataset")
    samples = list(webdataset.WebDataset(shards, shardshuffle=False))
    gc.collect()
    assert [sample["__key__"] for sample in samples] == [f"clip_{k}_{g}" for k in range(3) for g in (0, 1)]
    assert set(samples[0]) - {"__key__", "__url__", "__local_path__"} == {
        "f0.png",
        "f1.png",
        "d0.png",
        "d1.png",
        "json",
        "txt",
    }
    groups = ShardGroups(folder, "train")
    for index, sample in enumerate(samples):
        assert About.model_validate_json(sample["json"]) == groups.about(index)


def test_clips_that_fail_are_listed_and_stop_nothing(tmp_path: Path, clips: list[ClipRecord]) -> None:
    folder = prepared(tmp_path / "a", clips)
    index = read_index(folder)
    assert index.skipped == {"missing": 1}
    lines = (folder / SKIPPED).read_text().splitlines()
    assert [json.loads(line)["id"] for line in lines] == ["Clip 4"]
    found = index.summary
    assert (found.shards, found.clips, found.groups) == (3, 4, 8)
    parts = [path for name in ("test", "train") for path in folder.glob(f"{name}-*")]
    assert found.bytes == sum(path.stat().st_size for path in parts if path.suffix != ".json")


def test_without_depth_of_its_own_a_clip_fails_when_only_that_counts(
    tmp_path: Path, clips: list[ClipRecord]
) -> None:
    np.save(tmp_path / "own.npy", np.random.default_rng(0).uniform(0, 1, (12, 32, 48)).astype(np.float32))
    owning = [clips[0].replaced(depth=str(tmp_path / "own.npy")), *clips[1:4]]
    index = read_index(prepared(tmp_path / "a", owning, SETTINGS.replaced(depth="own")))
    assert index.skipped == {"no_depth": 3}
    groups = ShardGroups(tmp_path / "a")
    own = groups.about(0).depth
    assert len(groups) == 2 and own is not None and own.by == "own"
    none = ShardGroups(prepared(tmp_path / "b", clips, SETTINGS.replaced(depth="none")))
    assert none.group(0).depth is None and none.about(0).depth is None


@pytest.mark.parametrize("suffix", ["tar", "jsonl", "json"])
def test_a_shard_is_finished_only_when_all_of_it_is_whole(
    suffix: str, tmp_path: Path, clips: list[ClipRecord]
) -> None:
    folder = prepared(tmp_path / "a", clips)
    plan = Plan.open(folder)
    shard = next(s for s in plan.shards() if s.name == "train-000000")
    row = next(r for r in read_index(folder).shards if r.shard == shard.name)
    assert seal_of(folder, shard, SETTINGS.hash) is not None
    assert row.all_faults(folder) == []
    file = folder / f"train-000000.{suffix}"
    whole = file.read_bytes()
    file.write_bytes(whole[:-40] + b"x" * 40)
    assert seal_of(folder, shard, SETTINGS.hash) is None
    assert row.all_faults(folder) == [f"{file.name} has changed"]
    file.write_bytes(whole[:-1])
    assert seal_of(folder, shard, SETTINGS.hash, trust_sizes=True) is None
    file.unlink()
    assert seal_of(folder, shard, SETTINGS.hash) is None
    assert f"{file.name} is missing" in row.all_faults(folder)
    build_shard(folder, shard, SETTINGS, extract, brightness)
    assert file.read_bytes() == whole


def test_other_settings_and_other_plans_are_not_finished(tmp_path: Path, clips: list[ClipRecord]) -> None:
    folder = prepared(tmp_path / "a", clips)
    shard = next(iter(Plan.open(folder).shards()))
    assert seal_of(folder, shard, SETTINGS.replaced(seed=1).hash) is None
    renamed = tuple(clip.replaced(captions=("another",)) for clip in shard.clips)
    assert seal_of(folder, ShardPlan(name=shard.name, clips=renamed), SETTINGS.hash) is None


def test_a_torn_tar_is_told_before_it_is_read(tmp_path: Path, clips: list[ClipRecord]) -> None:
    folder = prepared(tmp_path / "a", clips)
    tar = folder / "train-000000.tar"
    tar.write_bytes(tar.read_bytes()[:-512])
    with pytest.raises(DataError, match="sealed with"):
        len(ShardGroups(folder))
    with pytest.raises(DataError, match="no shard of the split 'validate'"):
        len(ShardGroups(folder, "validate"))
    (folder / INDEX).unlink()
    with pytest.raises(DataError, match="not finished"):
        len(ShardGroups(folder))
    with pytest.raises(DataError, match="no data set"):
        len(ShardGroups(tmp_path))


def test_a_seal_that_has_changed_is_told_before_it_is_believed(
    tmp_path: Path, clips: list[ClipRecord]
) -> None:
    folder = prepared(tmp_path / "a", clips)
    seal = folder / "train-000000.json"
    whole = seal.read_text()
    for damaged in (whole[:-30], whole.replace(".txt", ".tx"), whole.replace("clip_0", "clip_9"), "[]", ""):
        seal.write_text(damaged)
        with pytest.raises(DataError, match=r"a: train-000000.json has changed; run frameweave data prepare"):
            ShardGroups(folder, "train").group(0)
    seal.unlink()
    with pytest.raises(DataError, match=r"train-000000.json is missing"):
        ShardGroups(folder, "train").group(0)


def test_captions_that_are_no_text_are_told(tmp_path: Path, clips: list[ClipRecord]) -> None:
    folder = prepared(tmp_path / "a", clips)
    tar = folder / "train-000000.tar"
    tar.write_bytes(tar.read_bytes().replace(b"number 0", b"number \xff"))
    with pytest.raises(DataError, match="group clip_0_0: damaged captions"):
        ShardGroups(folder, "train").group(0)


def test_damaged_pictures_are_told(tmp_path: Path, clips: list[ClipRecord]) -> None:
    folder = prepared(tmp_path / "a", clips)
    seal = json.loads((folder / "train-000000.json").read_text())
    name, offset, size = next(m for m in seal["members"] if m[0].endswith(".f0.png"))
    tar = folder / "train-000000.tar"
    data = bytearray(tar.read_bytes())
    data[offset : offset + size] = bytes(size)
    tar.write_bytes(data)
    with pytest.raises(DataError, match=rf"group {name.split('.')[0]}: damaged"):
        ShardGroups(folder, "train").group(0)


def test_ids_with_one_key_are_told_apart(tmp_path: Path, clips: list[ClipRecord]) -> None:
    both = [clips[0].replaced(id="a b"), clips[1].replaced(id="a/b")]
    groups = ShardGroups(prepared(tmp_path / "a", both))
    assert [groups.about(k).clip for k in range(4)] == ["a b", "a b", "a/b", "a/b"]


def test_shards_are_as_equal_as_can_be() -> None:
    clips = [ClipRecord(id=str(k), path="") for k in range(11)]
    found = list(planned(clips, "train", 11, 4, first=7))
    assert [(shard.name, len(shard.clips)) for shard in found] == [
        ("train-000007", 3),
        ("train-000008", 4),
        ("train-000009", 4),
    ]
    assert [clip.id for shard in found for clip in shard.clips] == [str(k) for k in range(11)]


def test_a_plan_is_read_as_it_was_written_and_can_grow(tmp_path: Path, clips: list[ClipRecord]) -> None:
    lost = Skipped(id="x", reason="no_caption", detail="no text")
    write_plan(tmp_path, Listed([clips[0], lost, *clips[1:]]), SETTINGS.table(), CHOICE)
    plan = Plan.open(tmp_path)
    assert [clip for shard in plan.shards() for clip in shard.clips] == [*clips[3:], *clips[:3]]
    assert list(plan.skipped()) == [lost]
    assert plan.settings_hash == SETTINGS.hash
    before = list(plan.shards())
    plan.extended("train", [clips[0].replaced(id="new")], 2)
    after = list(Plan.open(tmp_path).shards())
    assert after[:3] == before and [s.name for s in after[3:]] == ["train-000002"]
    assert list(Plan.open(tmp_path).skipped()) == [lost]


def test_plans_that_are_none_are_refused(tmp_path: Path, clips: list[ClipRecord]) -> None:
    with pytest.raises(DataError, match="no plan.jsonl"):
        Plan.open(tmp_path)
    (tmp_path / PLAN).write_text('{"format": 99}\n')
    with pytest.raises(DataError, match="format 99, expected 1"):
        Plan.open(tmp_path)
    write_plan(tmp_path, Listed(clips), SETTINGS.table(), CHOICE)
    text = (tmp_path / PLAN).read_text()
    (tmp_path / PLAN).write_text(text[: len(text) - 30])
    with pytest.raises(DataError, match="line 4"):
        list(Plan.open(tmp_path).shards())
    with pytest.raises(DataError, match=r"no clip to use \(2 missing\)"):
        write_plan(tmp_path, Listed([Skipped(id=k, reason="missing") for k in "ab"]), {}, CHOICE)
