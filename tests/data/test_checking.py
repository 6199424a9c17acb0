"""A whole data set has no faults; every kind of damage is one."""

import json
from pathlib import Path

from frameweave.data.checking import check
from frameweave.data.dataset import INDEX
from frameweave.data.plan import PLAN
from frameweave.data.shards.tars import read_members, write_tar
from frameweave.runs.atomic import sha256
from prepared import SETTINGS, a_dataset, prepared, some_clips


def test_a_whole_one_has_no_faults(tmp_path: Path) -> None:
    found = check(a_dataset(tmp_path))
    assert (found.faults, found.remarks) == ([], [])


def test_changed_files_are_faults(tmp_path: Path) -> None:
    folder = a_dataset(tmp_path)
    tar = folder / "train-000000.tar"
    data = bytearray(tar.read_bytes())
    data[700] ^= 1
    tar.write_bytes(data)
    (folder / PLAN).write_text((folder / PLAN).read_text() + "\n")
    assert check(folder).faults == [
        "plan.jsonl is missing or has changed since the index was written",
        "train-000000.tar has changed",
    ]


def resealed(folder: Path, shard: str, members: list[tuple[str, bytes]]) -> None:
    """Another tar under the old seal, with all sums made to fit."""
    seal = json.loads((folder / f"{shard}.json").read_text())
    write_tar(folder / f"{shard}.tar", members)
    file = folder / f"{shard}.tar"
    seal["files"]["tar"] = {"bytes": file.stat().st_size, "sha256": sha256(file)}
    (folder / f"{shard}.json").write_text(json.dumps(seal))
    index = json.loads((folder / INDEX).read_text())
    row = next(row for row in index["shards"] if row["shard"] == shard)
    row |= {"files": seal["files"], "seal": sha256(folder / f"{shard}.json")}
    (folder / INDEX).write_text(json.dumps(index))


def test_members_that_are_not_those_of_the_seal_are_faults(tmp_path: Path) -> None:
    folder = a_dataset(tmp_path)
    tar = folder / "train-000000.tar"
    data = tar.read_bytes()
    members = [(m.name, data[m.offset : m.offset + m.size]) for m in read_members(tar)]
    resealed(folder, "train-000000", members[::-1])
    assert check(folder).faults == ["train-000000.tar: its members are not those that its seal names"]


def test_an_index_that_tells_other_figures_than_the_seals_is_a_fault(tmp_path: Path) -> None:
    folder = a_dataset(tmp_path)
    index = json.loads((folder / INDEX).read_text())
    index["shards"][0]["groups"] += 1
    (folder / INDEX).write_text(json.dumps(index))
    assert check(folder).faults == ["test-000000.json has other groups than index.json"]


def test_pictures_that_cannot_be_decoded_are_faults(tmp_path: Path) -> None:
    folder = a_dataset(tmp_path)
    tar = folder / "train-000000.tar"
    data = tar.read_bytes()
    members = [(m.name, data[m.offset : m.offset + m.size]) for m in read_members(tar)]
    first = {name for name, _ in members if name.endswith("f0.png")}
    broken = [(name, content[:-40] + b"0" * 40 if name in first else content) for name, content in members]
    resealed(folder, "train-000000", broken)
    assert all(": damaged (" in fault for fault in check(folder).faults)
    assert len(check(folder).faults) == len(first)


def test_one_origin_in_two_splits_is_a_fault_and_a_copy_a_remark(tmp_path: Path) -> None:
    clips = some_clips(tmp_path / "videos", 5)
    clips = [clip.replaced(origin="youtube") if clip.id in ("Clip 0", "Clip 4") else clip for clip in clips]
    clips[1] = clips[1].replaced(path=clips[2].path)
    found = check(prepared(tmp_path / "shards", clips, SETTINGS))
    assert found.faults == ["1 origins lie in several splits, such as youtube"]
    assert found.remarks == ["1 videos are there more than once, such as Clip 1, Clip 2"]


def test_a_clip_that_gave_groups_twice_is_a_fault(tmp_path: Path) -> None:
    """As when it was planned twice: every clip counts once in training."""
    clips = some_clips(tmp_path / "videos", 5, train=5)
    found = check(prepared(tmp_path / "shards", [*clips, clips[0]]))
    assert found.faults == [
        "1 clips gave groups in several shards, such as Clip 0 in train-000000 and train-000002"
    ]
