"""Tars that are the same bytes for the same members, and a reader that believes only plain ones."""

import io
import tarfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from frameweave.data.shards.tars import read_members, write_tar
from frameweave.errors import DataError

MEMBERS = [("a_0.f0.jpg", b"x" * 700), ("a_0.txt", b""), ("a_0.json", b"{}")]


def test_what_is_written_is_found_by_its_offsets(tmp_path: Path) -> None:
    """With Python's own reader as the judge."""
    file = tmp_path / "a.tar"
    written = write_tar(file, MEMBERS)
    assert list(read_members(file)) == written
    data = file.read_bytes()
    with tarfile.open(file) as tar:
        for (name, content), member in zip(MEMBERS, written, strict=True):
            found = tar.extractfile(name)
            assert found is not None and found.read() == content
            assert data[member.offset : member.offset + member.size] == content


def test_the_same_members_are_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.tar", "b.tar"):
        write_tar(tmp_path / name, iter(MEMBERS))
    assert (tmp_path / "a.tar").read_bytes() == (tmp_path / "b.tar").read_bytes()


@pytest.mark.parametrize("name", ["../x.jpg", "/x.jpg", "a/b.jpg", "A.jpg", "a", ".jpg", "a.b.c.d", "ä.jpg"])
def test_names_that_are_not_ours_are_neither_written_nor_read(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="member name"):
        write_tar(tmp_path / "a.tar", [(name, b"")])
    with tarfile.open(tmp_path / "b.tar", "w") as tar:
        tar.addfile(tarfile.TarInfo(name))
    with pytest.raises(DataError, match="expected a name of a shard's member"):
        list(read_members(tmp_path / "b.tar"))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.DIRTYPE])
def test_links_devices_and_folders_are_refused(kind: bytes, tmp_path: Path) -> None:
    header = tarfile.TarInfo("a_0.jpg")
    header.type, header.linkname = kind, "/etc/passwd"
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        tar.addfile(header)
    with pytest.raises(DataError, match="expected a plain file"):
        list(read_members(tmp_path / "a.tar"))


def test_torn_tars_are_told(tmp_path: Path) -> None:
    file = tmp_path / "a.tar"
    write_tar(file, MEMBERS)
    whole = file.read_bytes()
    for size in (0, 100, 512, 900):
        file.write_bytes(whole[:size])
        with pytest.raises(DataError, match="a.tar"):
            list(read_members(file))


@settings(deadline=None, max_examples=150, derandomize=True)
@given(
    noise=st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 255)), max_size=8), cut=st.integers(0, 5000)
)
def test_any_damage_is_an_error_of_ours_or_other_members(
    noise: list[tuple[int, int]], cut: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, content in MEMBERS:
            header = tarfile.TarInfo(name)
            header.size = len(content)
            tar.addfile(header, io.BytesIO(content))
    data = bytearray(buffer.getvalue())
    for at, value in noise:
        data[at % len(data)] = value
    file = tmp_path_factory.mktemp("tar") / "a.tar"
    file.write_bytes(data[:cut])
    try:
        for member in read_members(file):
            assert member.offset + member.size <= len(data)
    except DataError:
        pass
