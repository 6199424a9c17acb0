"""A member of a tar as a file of its own."""

import io
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from frameweave.data.sources.member import opened
from frameweave.data.sources.shards import TarReader
from frameweave.errors import DataError
from frameweave.video import frames_at, read_frames, timeline
from hostile_tars import plain_tar
from videos import blobs, write_video

CONTENT = bytes(range(256)) * 700  # larger than the buffer


@pytest.fixture(scope="module")
def tar(tmp_path_factory: pytest.TempPathFactory) -> Path:
    members = {"before.mp4": b"before" * 99, "set/a!b.mp4": CONTENT, "after.mp4": b"after"}
    return plain_tar(tmp_path_factory.mktemp("tar") / "a.tar", members)


@settings(deadline=None, max_examples=100, derandomize=True)
@given(
    steps=st.lists(
        st.tuples(st.sampled_from([0, 1, 2]), st.integers(-200_000, 200_000), st.integers(-1, 200_000))
    )
)
def test_it_reads_and_seeks_like_the_bytes_themselves(steps: list[tuple[int, int, int]], tar: Path) -> None:
    like = io.BytesIO(CONTENT)
    with opened(f"{tar}!set/a!b.mp4") as video:
        assert not isinstance(video, Path)
        for whence, offset, size in steps:
            base = (0, like.tell(), len(CONTENT))[whence]
            if base + offset >= 0:
                assert video.seek(offset, whence) == like.seek(offset, whence)
            assert video.read(size) == like.read(size)
            assert video.tell() == like.tell()


def test_a_video_is_decoded_in_its_place(tmp_path: Path) -> None:
    video = write_video(tmp_path / "v.mp4", blobs(12))
    tar = plain_tar(tmp_path / "a.tar", {"x.txt": b"x", "set/video7.mp4": video.read_bytes()})
    with opened(f"{tar}!set/video7.mp4") as inside:
        line = timeline(inside)
    with opened(f"{tar}!set/video7.mp4") as inside:
        found = dict(frames_at(inside, line, [3, 7], threads=1))
    whole = [picture.pixels for picture in read_frames(video)]
    assert all((found[index] == whole[index]).all() for index in (3, 7))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tar", "v.mp4"]


def test_memory_does_not_grow_with_the_member(tmp_path: Path) -> None:
    tar = plain_tar(tmp_path / "a.tar", {"a.mp4": bytes(2**25)})
    tracemalloc.start()
    with opened(f"{tar}!a.mp4") as video:
        assert not isinstance(video, Path)
        video.seek(2**24)
        assert video.read(10) == bytes(10)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**21


def test_errors_name_the_tar_and_the_member(tmp_path: Path) -> None:
    tar = plain_tar(tmp_path / "a.tar", {"a.mp4": b"x", "../up.mp4": b"x"})
    for name in ("absent.mp4", "../up.mp4"):
        with pytest.raises(DataError, match=rf"a\.tar!{name}: no such member"), opened(f"{tar}!{name}"):
            pass
    with pytest.raises(DataError, match="not a tar"), opened(f"{tmp_path}/absent.tar!a.mp4"):
        pass
    torn = plain_tar(tmp_path / "torn.tar", {"a.mp4": bytes(5000)})
    torn.write_bytes(torn.read_bytes()[:3000])
    with pytest.raises(DataError, match="no such member"), opened(f"{torn}!a.mp4"):
        pass
    with opened(f"{tar}!a.mp4") as video:
        assert getattr(video, "name", "") == f"{tar}!a.mp4"


name = st.text("ab./", min_size=1, max_size=6).filter(lambda text: text[0] != "/" and ".." not in text)


@settings(deadline=None, max_examples=100, derandomize=True)
@given(contents=st.dictionaries(name.map(lambda text: f"{text}x.mp4"), st.binary(max_size=1500), max_size=6))
def test_every_member_of_an_honest_tar_is_found_with_its_bytes(
    contents: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory
) -> None:
    tar = plain_tar(tmp_path_factory.mktemp("any") / "a.tar", contents)
    for item in TarReader((tar,)):
        path = getattr(item, "path", "")
        if path:
            with opened(path) as video:
                assert not isinstance(video, Path) and video.read() == contents[path.partition("!")[2]]
