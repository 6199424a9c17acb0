"""Folders, tables and tars of videos; which layout a source has; which clips are taken."""

import csv
import importlib
import io
import json
import tarfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from frameweave.data.record import CAPTION_LIMIT, CAPTIONS_LIMIT, ClipRecord, Reader, Skipped
from frameweave.data.sources.detect import First, OfSplit, Subset, Usable, read_source
from frameweave.data.sources.member import opened
from frameweave.data.sources.shards import TarReader
from frameweave.data.sources.table import TableReader
from frameweave.errors import DataError, InputError
from frameweave.video import read_frames
from frameweave.video.seeking import frames_at, timeline
from prepared import Listed
from videos import blobs, write_video


def taken(source: Path | str, **how: Any) -> list[ClipRecord]:
    return [item for item in read_source(str(source), **how) if isinstance(item, ClipRecord)]


def lost(reader: Reader) -> list[tuple[str, str]]:
    return [(item.id, item.reason) for item in reader if isinstance(item, Skipped)]


def test_a_folder_with_all_that_may_lie_beside(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    for name in ("a.mp4", "b.MKV", "below/c.webm", "d.gif", "e.mp4", "f.mov"):
        (tmp_path / name).touch()
    (tmp_path / "a.txt").write_text("one\n\n two \none\n")
    (tmp_path / "a.depth").mkdir()
    (tmp_path / "b.json").write_text(json.dumps({"captions": ["three", 4], "split": "VAL", "category": "x"}))
    (tmp_path / "below/c.json").write_text('"four"')
    (tmp_path / "below/c.depth.npy").touch()
    (tmp_path / "d.json").write_text('["five"]')
    (tmp_path / "e.json").write_text("{broken")
    found = {clip.id: clip for clip in taken(tmp_path)}
    assert {name: clip.captions for name, clip in found.items()} == {
        "a": ("one", "two"),
        "b": ("three",),
        "below/c": ("four",),
        "d": ("five",),
    }
    assert found["a"].depth.endswith("a.depth") and found["below/c"].depth.endswith("c.depth.npy")
    assert (found["b"].split, found["b"].category) == ("validate", "x")
    assert lost(read_source(str(tmp_path))) == [("e", "bad_caption"), ("f", "no_caption")]


ROWS = [
    {"path": "a.mp4", "caption": "one, with a comma", "id": "first", "split": "train"},
    {"path": "b.mp4", "caption": "two", "id": "second", "split": "test"},
    {"path": "absent.mp4", "caption": "three", "id": "third", "split": "test"},
    {"path": "", "caption": "four", "id": "fourth", "split": "test"},
]


def write_table(file: Path) -> None:
    if file.suffix == ".jsonl":
        file.write_text("\n".join(json.dumps(row) for row in ROWS) + "\n\n")
    elif file.suffix == ".parquet":
        arrow: Any = importlib.import_module("pyarrow")
        parquet: Any = importlib.import_module("pyarrow.parquet")
        parquet.write_table(arrow.Table.from_pylist(ROWS), file)
    else:
        with file.open("w", newline="") as stream:
            writer = csv.DictWriter(stream, list(ROWS[0]), delimiter="\t" if file.suffix == ".tsv" else ",")
            writer.writeheader()
            writer.writerows(ROWS)


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "parquet"])
def test_tables_of_every_kind_say_the_same(suffix: str, tmp_path: Path) -> None:
    for name in ("a.mp4", "b.mp4"):
        (tmp_path / name).touch()
    file = tmp_path / f"clips.{suffix}"
    write_table(file)
    found = taken(file)
    assert [(clip.id, clip.captions, clip.split) for clip in found] == [
        ("first", ("one, with a comma",), "train"),
        ("second", ("two",), "test"),
    ]
    assert found[0].path == str(tmp_path / "a.mp4")
    assert lost(read_source(str(file))) == [("third", "missing"), ("fourth", "no_path")]


def test_other_names_of_columns(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").touch()
    file = tmp_path / "clips.csv"
    file.write_text("Video_Path;caption_0;caption_1\na.mp4;one;two\n")
    assert taken(file)[0].captions == ("one", "two")
    (tmp_path / "clips.jsonl").write_text('{"video": "a.mp4", "captions": ["one", "two"]}\n')
    assert taken(tmp_path / "clips.jsonl")[0].captions == ("one", "two")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"caption\nx\n", "expected path and caption"),
        ("a.csv", b"path,caption\n\xff\xfe\n", "not a table"),
        ("a.jsonl", b'{"path": "x"}\n{"path"', "line 2"),
        ("a.jsonl", b"[1]\n", "line 1: no object"),
        ("a.parquet", b"PAR1", "not a parquet file"),
    ],
)
def test_wrong_tables_are_told(name: str, content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        list(read_source(str(tmp_path / name)))


def a_tar(path: Path, members: dict[str, bytes], links: dict[str, bytes] | None = None) -> Path:
    with tarfile.open(path, "w") as tar:
        for name, content in members.items():
            header = tarfile.TarInfo(name)
            header.size = len(content)
            tar.addfile(header, io.BytesIO(content))
        for name, kind in (links or {}).items():
            header = tarfile.TarInfo(name)
            header.type, header.linkname = kind, "/etc/passwd"
            tar.addfile(header)
    return path


def test_videos_in_tars_are_read_without_unpacking(tmp_path: Path) -> None:
    video = write_video(tmp_path / "v.mp4", blobs(12))
    tar = a_tar(
        tmp_path / "a.tar",
        {
            "set/video7.mp4": video.read_bytes(),
            "set/video7.txt": b"one\ntwo\n",
            "b.json": b'{"caption": "x"}',
        },
    )
    [clip] = taken(tar)
    assert (clip.id, clip.captions, clip.path) == ("set/video7", ("one", "two"), f"{tar}!set/video7.mp4")
    with opened(clip.path) as inside:
        line = timeline(inside)
    with opened(clip.path) as inside:
        found = dict(frames_at(inside, line, [3, 7], threads=1))
    whole = [picture.pixels for picture in read_frames(video)]
    assert all((found[index] == whole[index]).all() for index in (3, 7))
    with pytest.raises(DataError, match="no such member"), opened(f"{tar}!absent.mp4"):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["v.mp4", "a.tar"] or len(
        list(tmp_path.iterdir())
    ) == 2


def test_members_that_could_do_harm_are_skipped_and_named(tmp_path: Path) -> None:
    class Canary:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "opened",))

    pickle: Any = importlib.import_module("pickle")
    tar = a_tar(
        tmp_path / "a.tar",
        {
            "../up.mp4": b"x",
            "/etc/root.mp4": b"x",
            "good.mp4": b"x",
            "good.txt": b"fine",
            "good.pkl": pickle.dumps(Canary()),
        },
        {"link.mp4": tarfile.SYMTYPE, "hard.mp4": tarfile.LNKTYPE, "device.mp4": tarfile.CHRTYPE},
    )
    assert [clip.id for clip in taken(tar)] == ["good"]
    assert Counter(reason for _, reason in lost(read_source(str(tar)))) == {"unsafe_member": 5, "pickle": 1}
    assert not (tmp_path / "opened").exists()


def test_a_torn_tar_gives_what_is_whole(tmp_path: Path) -> None:
    tar = a_tar(
        tmp_path / "a.tar", {"a.mp4": b"x" * 600, "a.txt": b"fine", "b.mp4": b"y" * 5000, "b.txt": b"z"}
    )
    tar.write_bytes(tar.read_bytes()[:4000])
    assert [clip.id for clip in taken(tar)] == ["a"]
    assert [reason for _, reason in lost(read_source(str(tar)))] == ["truncated"]
    tar.write_bytes(b"no tar at all" * 100)
    with pytest.raises(DataError, match="not a tar"):
        list(read_source(str(tar)))


def test_layouts_are_told_apart(tmp_path: Path) -> None:
    for name in ("zip", "nothing", "text"):
        with pytest.raises(DataError, match="unpack it" if name == "zip" else "no such file or folder"):
            read_source(str(tmp_path / f"a.{name}"))
    (tmp_path / "a.doc").write_text("x")
    with pytest.raises(DataError, match="not a source"):
        read_source(str(tmp_path / "a.doc"))
    with pytest.raises(InputError, match="did you mean msrvtt"):
        read_source(str(tmp_path), layout="msrvt")
    with pytest.raises(InputError, match="--limit 0"):
        read_source(str(tmp_path), limit=0)
    for k in range(2):
        a_tar(tmp_path / f"s{k}.tar", {f"v{k}.mp4": b"x", f"v{k}.txt": b"t"})
    assert [clip.id for clip in taken(tmp_path)] == ["v0", "v1"] == [c.id for c in taken(tmp_path / "s*.tar")]


def some(count: int, categories: int = 3) -> Listed:
    return Listed(
        ClipRecord(id=f"v{k}", path="/", captions=("c",), split="train", category=str(k % categories))
        for k in range(count)
    )


def test_ids_are_there_once_and_captions_are_clean() -> None:
    long = "x" * (2 * CAPTION_LIMIT)
    many = tuple(f"caption {k}" for k in range(2 * CAPTIONS_LIMIT))
    given = [
        ClipRecord(id="a", path="/", captions=(" a\tb\x07\x1b[1m ", "a b[1m", long)),
        ClipRecord(id="a", path="/", captions=("again",)),
        ClipRecord(id="b", path="/", captions=many),
        ClipRecord(id="c", path="/", captions=("\x00", "\u202e")),
        ClipRecord(id="d", path="/absent\0", captions=("x",)),
    ]
    found = list(Usable(Listed(given)))
    assert isinstance(found[0], ClipRecord) and isinstance(found[2], ClipRecord)
    assert found[0].captions == ("a b[1m", "x" * CAPTION_LIMIT)
    assert len(found[2].captions) == CAPTIONS_LIMIT
    assert lost(found) == [("a", "duplicate"), ("c", "no_caption"), ("d", "missing")]  # pyright: ignore


def test_a_subset_is_even_over_categories_and_a_draw_from_the_seed() -> None:
    reader = Listed([*some(90), *(ClipRecord(id=f"w{k}", path="/", category="rare") for k in range(2))])
    found = [item for item in Subset(reader, 14, seed=0) if isinstance(item, ClipRecord)]
    assert Counter(clip.category for clip in found) == {"0": 4, "1": 4, "2": 4, "rare": 2}
    assert [c.id for c in Subset(reader, 14, seed=0)] == [c.id for c in found]
    assert [c.id for c in Subset(reader, 14, seed=1)] != [c.id for c in found]


def test_one_split_and_the_first_few() -> None:
    assert [item.id for item in First(some(9), 2)] == ["v0", "v1"]
    with pytest.raises(DataError, match=r"no clip of the split 'test', found 9 train"):
        list(OfSplit(some(9), "test"))


@settings(deadline=None, max_examples=200, derandomize=True)
@given(content=st.binary(max_size=400), suffix=st.sampled_from(["csv", "tsv", "jsonl", "parquet"]))
def test_any_bytes_as_a_table(content: bytes, suffix: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    file = tmp_path_factory.mktemp("any") / f"a.{suffix}"
    for start in (b"", b"path,caption\n", b'{"path": "a", "caption": '):
        file.write_bytes(start + content)
        try:
            assert all(isinstance(item, ClipRecord | Skipped) for item in Usable(TableReader(file)))
        except DataError:
            continue


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
        a_tar(file, members)
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


@settings(deadline=None, max_examples=100, derandomize=True)
@given(text=st.binary(max_size=200), table=st.binary(max_size=200))
def test_any_bytes_beside_a_video(
    text: bytes, table: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("any")
    for name, content in (("a.txt", text), ("b.json", table)):
        (folder / name).write_bytes(content)
        (folder / name).with_suffix(".mp4").touch()
    found = list(read_source(str(folder)))
    assert sorted(item.id for item in found) == ["a", "b"]
    for item in found:
        if isinstance(item, ClipRecord):
            assert all(text == " ".join(text.split()) for text in item.captions)
