"""Which layout a source has."""

from pathlib import Path

import pytest

from frameweave.data.sources.detect import read_source
from frameweave.errors import DataError, InputError
from hostile_tars import plain_tar
from reading_sources import taken


def test_layouts_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file or folder"):
        read_source(str(tmp_path / "a.tar"))
    (tmp_path / "a.doc").write_text("x")
    with pytest.raises(DataError, match="not a source"):
        read_source(str(tmp_path / "a.doc"))
    with pytest.raises(InputError, match="did you mean msrvtt"):
        read_source(str(tmp_path), layout="msrvt")
    with pytest.raises(InputError, match="--limit 0"):
        read_source(str(tmp_path), limit=0)
    for k in range(2):
        plain_tar(tmp_path / f"s{k}.tar", {f"v{k}.mp4": b"x", f"v{k}.txt": b"t"})
    assert [clip.id for clip in taken(tmp_path)] == ["v0", "v1"] == [c.id for c in taken(tmp_path / "s*.tar")]


@pytest.mark.parametrize("name", ["A.ZIP", "a.tar.gz", "a.tgz"])
def test_what_is_packed_is_to_be_unpacked(name: str, tmp_path: Path) -> None:
    (tmp_path / name).touch()
    with pytest.raises(DataError, match="packed; unpack it"):
        read_source(str(tmp_path / name))


@pytest.mark.parametrize("name", ["a\udcffb", "a\0b"])
def test_a_name_that_no_file_can_hold_is_told(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a name that is not UTF-8; rename the source"):
        read_source(f"{tmp_path}/{name}")


def test_a_layout_that_the_source_does_not_have(tmp_path: Path) -> None:
    (tmp_path / "MSRVTT_data.json").touch()
    for layout, message in (
        ("shards", "no tar in it"),
        ("table", "a folder, expected a table"),
        ("msrvtt-1k-a", "no annotation file of MSR-VTT in it"),
    ):
        (tmp_path / "below" / "further").mkdir(parents=True, exist_ok=True)
        with pytest.raises(DataError, match=message):
            read_source(str(tmp_path / "below"), layout=layout)
    (tmp_path / "other.csv").touch()
    with pytest.raises(DataError, match="2 sources, such as .*other.csv"):
        read_source(str(tmp_path / "{other.csv,MSRVTT_data.json}"))
    with pytest.raises(DataError, match="a file, expected a folder"):
        read_source(str(tmp_path / "MSRVTT_data.json"), layout="folder")
    with pytest.raises(DataError, match="give the folder that has both"):
        read_source(str(tmp_path / "MSRVTT_data.json"))
    for layout in ("auto", "folder", "table", "shards", "msrvtt"):
        with pytest.raises(DataError, match="no such file or folder"):
            read_source(str(tmp_path / "absent"), layout=layout)


def test_videos_beside_a_tar_are_not_passed_over(tmp_path: Path) -> None:
    (tmp_path / "deep" / "er").mkdir(parents=True)
    tar = plain_tar(tmp_path / "deep" / "er" / "a.TAR", {"in.mp4": b"x", "in.txt": b"t"})
    assert [clip.id for clip in taken(tmp_path)] == ["in"] == [clip.id for clip in taken(tar)]
    (tmp_path / "out.mp4").touch()
    (tmp_path / "out.txt").write_text("t")
    assert [clip.id for clip in taken(tmp_path)] == ["out"]
    assert [clip.id for clip in taken(tmp_path, layout="shards")] == ["in"]
