"""Tars of whole videos."""

import bz2
import gzip
import importlib
import io
import lzma
import subprocess
import tarfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from frameweave.data.record import ClipRecord
from frameweave.data.sources.detect import read_source
from frameweave.data.sources.member import opened
from frameweave.data.sources.shards import TarReader
from frameweave.errors import DataError
from hostile_tars import Raw, plain_tar, raw_tar
from reading_sources import lost, taken


def test_samples_are_what_shares_a_name(tmp_path: Path) -> None:
    members = {
        "MSR-VTT/all/video7.mp4": b"x",
        "MSR-VTT/all/video7.json": b'{"caption": "seven", "split": "test", "category": 3}',
        "video8.v2.webm": b"not the video of this sample",
        "video8.WEBM": b"y",
        "video8.txt": b"one\ntwo\n",
        "lonely.txt": b"no video",
        "broken.mp4": b"z",
        "broken.json": b"{",
    }
    found = taken(plain_tar(tmp_path / "a.tar", members))
    assert [(clip.id, clip.captions, clip.split, clip.category) for clip in found] == [
        ("MSR-VTT/all/video7", ("seven",), "test", "3"),
        ("video8", ("one", "two"), "", ""),
    ]
    assert found[1].path == f"{tmp_path}/a.tar!video8.WEBM"
    assert lost(tmp_path / "a.tar") == [("video8.v2", "no_caption"), ("broken", "bad_caption")]


def test_names_with_dots_are_names_of_videos(tmp_path: Path) -> None:
    members = {
        "2024.05.01-Beach.mp4": b"a",
        "2024.05.01-Beach.txt": b"a beach",
        "2024.05.02-city.mp4": b"b",
        "2024.05.02-city.json": b'{"caption": "a city"}',
        "clip.v2.txt": b"a red car",
        "clip.v2.mp4": b"c",
        "000.video.mp4": b"d",
        "000.txt": b"the only video of its sample",
        "two.mp4": b"e",
        "two.mov": b"f",
        "two.txt": b"of two videos",
        "._hidden.mp4": b"g",
        "__MACOSX/two.mp4": b"h",
    }
    tar = plain_tar(tmp_path / "a.tar", members)
    assert [(clip.id, clip.path.partition("!")[2], clip.captions) for clip in taken(tar)] == [
        ("2024.05.01-Beach", "2024.05.01-Beach.mp4", ("a beach",)),
        ("2024.05.02-city", "2024.05.02-city.mp4", ("a city",)),
        ("clip.v2", "clip.v2.mp4", ("a red car",)),
        ("000.video", "000.video.mp4", ("the only video of its sample",)),
        ("two", "two.mp4", ("of two videos",)),
    ]
    assert lost(tar) == [("two", "duplicate")]


def test_a_text_that_says_nothing_hides_no_json(tmp_path: Path) -> None:
    members = {"a.mp4": b"x", "a.txt": "\u200b\n".encode(), "a.json": b'"one"'}
    assert [clip.captions for clip in taken(plain_tar(tmp_path / "a.tar", members))] == [("one",)]


def test_a_tar_of_the_folder_itself(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.mp4").write_bytes(b"x")
    (tmp_path / "in" / "a.txt").write_text("one")
    subprocess.run(["tar", "-C", tmp_path / "in", "-cf", tmp_path / "a.tar", "."], check=True)
    assert [(clip.id, clip.captions) for clip in taken(tmp_path / "a.tar")] == [("a", ("one",))]
    assert lost(tmp_path / "a.tar") == []


def test_a_member_that_was_there_already_is_skipped(tmp_path: Path) -> None:
    members = [
        Raw(name=b"a.mp4", content=b"first"),
        Raw(name=b"a.txt", content=b"one"),
        Raw(name=b"a.mp4", content=b"second"),
        Raw(name=b"./a.txt", content=b"two"),
    ]
    tar = raw_tar(tmp_path / "a.tar", members)
    [clip] = taken(tar)
    with opened(clip.path) as video:
        assert not isinstance(video, Path) and video.read() == b"first"
    assert clip.captions == ("one",)
    assert lost(tar) == [("a.tar!a.mp4", "duplicate"), ("a.tar!./a.txt", "duplicate")]


def test_arrays_are_told_apart_by_what_they_hold(tmp_path: Path) -> None:
    def saved(array: np.ndarray) -> bytes:
        buffer = io.BytesIO()
        np.save(buffer, array, allow_pickle=True)
        return buffer.getvalue()

    members = {
        "a.mp4": b"x",
        "a.txt": b"one",
        "a.numbers.npy": saved(np.zeros(3)),
        "a.objects.npy": saved(np.array([{}], dtype=object)),
        "a.fields.npy": saved(np.zeros(2, dtype=[("x", "f4"), ("y", "O")])),
    }
    tar = plain_tar(tmp_path / "a.tar", members)
    assert [clip.id for clip in taken(tar)] == ["a"]
    assert lost(tar) == [("a.tar!a.objects.npy", "pickle"), ("a.tar!a.fields.npy", "pickle")]


def test_members_that_could_do_harm_are_skipped_and_named(tmp_path: Path) -> None:
    class Canary:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "opened",))

    pickle: Any = importlib.import_module("pickle")
    tar = plain_tar(
        tmp_path / "a.tar",
        {
            "../up.mp4": b"x",
            "/etc/root.mp4": b"x",
            "good.mp4": b"x",
            "good.txt": b"fine",
            **{
                f"good.{suffix}": pickle.dumps(Canary()) for suffix in ("pkl", "pyd", "pth", "pt", "x.pickle")
            },
        },
        {"link.mp4": tarfile.SYMTYPE, "hard.mp4": tarfile.LNKTYPE, "device.mp4": tarfile.CHRTYPE},
    )
    assert [clip.id for clip in taken(tar)] == ["good"]
    assert Counter(reason for _, reason in lost(tar)) == {"unsafe_member": 5, "pickle": 5}
    assert not (tmp_path / "opened").exists()


def test_a_torn_tar_gives_what_is_whole(tmp_path: Path) -> None:
    tar = plain_tar(
        tmp_path / "a.tar", {"a.mp4": b"x" * 600, "a.txt": b"fine", "b.mp4": b"y" * 5000, "b.txt": b"z"}
    )
    tar.write_bytes(tar.read_bytes()[:4000])
    assert [clip.id for clip in taken(tar)] == ["a"]
    assert [reason for _, reason in lost(tar)] == ["truncated"]
    for pack, name in ((gzip.compress, "gzip"), (bz2.compress, "bzip2"), (lzma.compress, "xz")):
        tar.write_bytes(pack(b"x" * 5000))
        with pytest.raises(
            DataError, match=f"a.tar: packed with {name}, expected a plain tar; unpack it with"
        ):
            list(read_source(str(tar)))
    tar.write_bytes(b"no tar at all" * 100)
    with pytest.raises(DataError, match="not a tar"):
        list(read_source(str(tar)))


@settings(deadline=None, max_examples=200, derandomize=True)
@given(
    names=st.lists(st.text(min_size=1, max_size=12), max_size=5),
    damage=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=10),
    keep=st.integers(0, 12_000),
)
def test_any_damaged_tar(
    names: list[str], damage: list[tuple[int, int]], keep: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = tmp_path_factory.mktemp("any") / "a.tar"
    members = {name.replace("\0", ""): b"x" * 100 for name in names if name.replace("\0", "").isprintable()}
    members |= {f"{name}.mp4": b"y" * 700 for name in list(members)}
    try:
        plain_tar(file, members)
    except (UnicodeEncodeError, ValueError):
        return
    data = bytearray(file.read_bytes())
    for at, value in damage:
        data[at % len(data)] = value
    file.write_bytes(data[:keep])
    try:
        for item in TarReader((file,)):
            if isinstance(item, ClipRecord):
                assert ".." not in item.path.partition("!")[2].split("/")
    except DataError:
        pass


def test_keys_that_begin_anew_in_each_tar_are_told_apart(tmp_path: Path) -> None:
    for name, captions in (("s-0", ("a", "b")), ("s-1", ("c", "d"))):
        members = {f"{k:03}.{s}": c.encode() for k, c in enumerate(captions) for s in ("mp4", "txt")}
        plain_tar(tmp_path / f"{name}.tar", members)
    found = list(read_source(str(tmp_path)))
    assert [(one.id, one.captions) for one in found if isinstance(one, ClipRecord)] == [
        ("s-0/000", ("a",)),
        ("s-0/001", ("b",)),
        ("s-1/000", ("c",)),
        ("s-1/001", ("d",)),
    ]


def test_a_caption_may_have_a_name_of_its_own(tmp_path: Path) -> None:
    members = {
        "k1.video.mp4": b"x",
        "k1.caption.txt": b"a car",
        "k2.mp4": b"y",
        "k2.a.txt": b"1",
        "k2.b.txt": b"2",
    }
    assert [clip.captions for clip in taken(plain_tar(tmp_path / "a.tar", members))] == [("a car",)]


def test_a_url_is_where_a_clip_was_cut_from(tmp_path: Path) -> None:
    members = {"k.mp4": b"x", "k.json": b'{"caption": "a car", "url": "https://v.example/7"}'}
    assert [clip.origin for clip in taken(plain_tar(tmp_path / "a.tar", members))] == ["https://v.example/7"]
