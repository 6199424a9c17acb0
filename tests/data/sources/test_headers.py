"""Headers that no honest program writes: errors of ours, never another exception, never all of the file."""

import tarfile
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from frameweave.data.record import ClipRecord, Skipped
from frameweave.data.sources.headers import headers
from frameweave.data.sources.member import opened
from frameweave.data.sources.shards import TarReader
from frameweave.errors import DataError
from hostile_tars import BLOCK, Raw, pax, plain_tar, raw_tar


def test_headers_tell_where_the_bytes_lie(tmp_path: Path) -> None:
    """tarfile, which wrote them, is asked too."""
    long = "x" * 150 + ".mp4"
    tar = plain_tar(tmp_path / "a.tar", {"a.mp4": b"one", long: b"two" * 300}, {"folder": tarfile.DIRTYPE})
    with tarfile.open(tar) as whole:
        expected = [(one.name, one.offset_data, one.size, one.isreg(), one.isdir()) for one in whole]
    assert [(h.name, h.offset, h.size, h.plain, h.folder) for h in headers(tar)] == expected
    assert all(header.whole for header in headers(tar))


@pytest.mark.parametrize("kind", [tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE])
def test_a_chain_of_long_names_is_an_error(kind: bytes, tmp_path: Path) -> None:
    content = b"a\0" if kind == tarfile.GNUTYPE_LONGNAME else pax(comment="x")
    chain = [Raw(name=b"chain", kind=kind, content=content)] * 2000
    with pytest.raises(DataError, match="not a tar"):
        headers(raw_tar(tmp_path / "first.tar", [*chain, Raw(content=b"x")]))
    later = raw_tar(tmp_path / "later.tar", [Raw(name=b"good.mp4", content=b"x"), *chain, Raw()])
    assert [(header.name, header.whole) for header in headers(later)] == [("good.mp4", True), ("", False)]


@pytest.mark.parametrize("size", [-1, -512, -1024, -10_000, 2**40, 2**80])
def test_a_size_that_cannot_be_ends_the_tar(size: int, tmp_path: Path) -> None:
    tar = raw_tar(tmp_path / "a.tar", [Raw(name=b"good.mp4", content=b"x"), Raw(claimed=size, content=b"y")])
    found = headers(tar)
    assert [(header.name, header.whole) for header in found] == [("good.mp4", True), ("a.mp4", False)]


def test_a_long_name_of_many_megabytes_is_not_read(tmp_path: Path) -> None:
    tar = tmp_path / "a.tar"
    name = Raw(name=b"long", kind=tarfile.GNUTYPE_LONGNAME, claimed=2**28)
    with tar.open("wb") as file:
        file.write(Raw(name=b"good.mp4", content=b"x").blocks() + name.blocks())
        file.truncate(2**28 + 4 * BLOCK)
    tracemalloc.start()
    found = headers(tar)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [(header.name, header.whole) for header in found] == [("good.mp4", True), ("", False)]
    assert peak < 2**22


@pytest.mark.parametrize("by_type", [True, False])
def test_a_file_with_holes_is_not_plain(by_type: bool, tmp_path: Path) -> None:
    """Its bytes do not lie in one piece."""
    holes = pax(GNU__sparse__size="9", GNU__sparse__map="0,1,8,1")
    raws = (
        [Raw(kind=tarfile.GNUTYPE_SPARSE, content=b"ab")]
        if by_type
        else [Raw(name=b"pax", kind=tarfile.XHDTYPE, content=holes), Raw(content=b"ab")]
    )
    assert [(header.name, header.plain) for header in headers(raw_tar(tmp_path / "a.tar", raws))] == [
        ("a.mp4", False)
    ]


def test_too_many_members_are_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("frameweave.data.sources.headers._MOST", 5)
    assert len(headers(raw_tar(tmp_path / "5.tar", [Raw()] * 5))) == 5
    with pytest.raises(DataError, match="more than 5 members"):
        headers(raw_tar(tmp_path / "6.tar", [Raw()] * 6))


kinds = st.sampled_from([b"\0", *(bytes([code]) for code in b"01234567LKSxgXDVMNZ")])
names = st.sampled_from(
    [b"a.mp4", b"a.txt", b"b/c.mp4", b"./a.mp4", b"../up.mp4", b"/root.mp4", b"x/../../y.mp4", b".", b"",
     b"..", b"a.pkl", b"a.npy", b"\xff.mp4", b"a\x1b[2J.mp4"]
) | st.binary(max_size=20)  # fmt: skip
extended = st.builds(
    lambda key, value: pax(**{key: value}),
    st.sampled_from(
        ["path", "size", "linkpath", "mtime", "hdrcharset", "uid", "GNU__sparse__map", "GNU__sparse__size",
         "GNU__sparse__major", "GNU__sparse__minor", "GNU__sparse__name", "GNU__sparse__numblocks"]
    ),
    st.sampled_from(["", "1", "0", "-5", "inf", "nan", "9" * 30, "9" * 5000, "../up.mp4", "1,2", "BINARY"])
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
)  # fmt: skip
raws = st.builds(
    Raw,
    name=names,
    kind=kinds,
    content=st.binary(max_size=40) | extended | st.just(b"x" * 600),
    claimed=st.none() | st.integers(-2000, 5000) | st.sampled_from([-(2**62), 2**40, 2**62, 2**80]),
    link=st.sampled_from([b"", b"/etc/passwd", b"../a.mp4"]),
)


@settings(deadline=None, max_examples=400, derandomize=True)
@given(members=st.lists(raws, max_size=6), keep=st.integers(0, 8000), noise=st.binary(max_size=8))
def test_any_hostile_tar_gives_records_that_stay_inside(
    members: list[Raw], keep: int, noise: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    tar = raw_tar(tmp_path_factory.mktemp("any") / "a.tar", members)
    content = tar.read_bytes()[:keep] + noise
    tar.write_bytes(content)
    try:
        found = list(TarReader((tar,)))
    except DataError:
        return
    for item in found:
        if isinstance(item, Skipped):
            assert item.reason in {"truncated", "unsafe_member", "pickle", "duplicate", "bad_caption"}
            continue
        assert isinstance(item, ClipRecord)
        name = item.path.removeprefix(f"{tar}!")
        assert not name.startswith("/") and ".." not in name.split("/")
        with opened(item.path) as video:
            assert not isinstance(video, Path) and video.read() in content
