"""Streamed shards give the groups that reading by number gives, from files and from other places."""

import io
import tarfile
from pathlib import Path
from typing import Any

import fsspec
import pytest
import torch

from frameweave.data.reading import ShardGroups
from frameweave.data.shards.streaming import streamed
from frameweave.errors import DataError
from frameweave.video.group import FrameGroup
from prepared import a_dataset


def same(a: FrameGroup, b: FrameGroup) -> bool:
    assert a.depth is not None and b.depth is not None
    return torch.equal(a.frames, b.frames) and torch.equal(a.depth, b.depth) and a.captions == b.captions


def test_groups_come_in_order_from_files_and_from_memory(tmp_path: Path) -> None:
    folder = a_dataset(tmp_path)
    groups = ShardGroups(folder, "train")
    tars = sorted(folder.glob("train-*.tar"))
    memory = fsspec.filesystem("memory")
    for tar in tars:
        memory.pipe(f"/shards/{tar.name}", tar.read_bytes())
    for urls in ([str(tar) for tar in tars], [f"memory://shards/{tar.name}" for tar in tars]):
        found = list(streamed(urls))
        assert len(found) == len(groups)
        assert all(same(group, groups.group(index)) for index, group in enumerate(found))


def test_a_shuffled_stream_has_all_groups_once_and_repeats_with_the_seed(tmp_path: Path) -> None:
    folder = a_dataset(tmp_path, clips=8)
    groups = ShardGroups(folder, "train")
    urls = [str(tar) for tar in sorted(folder.glob("train-*.tar"))]

    def order(seed: int) -> list[int]:
        known = [groups.group(index) for index in range(len(groups))]
        return [
            next(k for k, one in enumerate(known) if same(one, g))
            for g in streamed(urls, shuffle=50, seed=seed)
        ]

    assert sorted(order(1)) == list(range(len(groups))) != order(1)
    assert order(1) == order(1) != order(2)


def test_workers_divide_the_shards(tmp_path: Path) -> None:
    folder = a_dataset(tmp_path, clips=6)
    urls = [str(tar) for tar in sorted(folder.glob("train-*.tar"))]
    stream: Any = streamed(urls)
    loader = torch.utils.data.DataLoader(stream, batch_size=None, num_workers=2)
    assert len(list(loader)) == len(ShardGroups(folder, "train"))


def test_what_cannot_be_streamed_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="absent.tar: cannot be read"):
        list(streamed([str(tmp_path / "absent.tar")]))
    for name, content in (("page.tar", b"<html>not found</html>" * 40), ("empty.tar", b"")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError, match=f"{name}: cannot be read as a tar"):
            list(streamed([str(tmp_path / name)]))
    whole = sorted(a_dataset(tmp_path).glob("train-*.tar"))[0].read_bytes()
    for kept in (len(whole) // 2, 700):
        (tmp_path / "cut.tar").write_bytes(whole[:kept])
        with pytest.raises(DataError, match=r"cut.tar: cannot be read as a tar .*copy the tar there again"):
            list(streamed([str(tmp_path / "cut.tar")]))
    with pytest.raises(DataError, match="no shards"):
        streamed([])
    with tarfile.open(tmp_path / "odd.tar", "w") as tar:
        for name in ("a.pkl", "a.f0.jpg"):
            tar.addfile(tarfile.TarInfo(name), io.BytesIO())
    with pytest.raises(DataError, match=r"odd.tar: group a: found f0.jpg, expected"):
        list(streamed([str(tmp_path / "odd.tar")]))
