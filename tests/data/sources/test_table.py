"""Lists of clips in every format."""

import csv
import importlib
import json
import sys
import tracemalloc
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from frameweave.data.extraction import extract
from frameweave.data.options import GroupSettings
from frameweave.data.record import ClipRecord, Skipped
from frameweave.data.sources.detect import read_source
from frameweave.data.sources.member import opened
from frameweave.data.sources.table import TableReader
from frameweave.data.sources.usable import Usable
from frameweave.errors import DataError, MissingExtra
from reading_sources import lost, taken
from videos import blobs, write_video

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
    assert lost(file) == [("third", "missing"), ("fourth", "no_path")]


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
        ("a.parquet", b"PAR1", "not a readable parquet file"),
    ],
)
def test_wrong_tables_are_told(name: str, content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        list(read_source(str(tmp_path / name)))


def write_parquet(file: Path, **columns: Any) -> Path:
    arrow: Any = importlib.import_module("pyarrow")
    importlib.import_module("pyarrow.parquet").write_table(arrow.table(columns), file)
    return file


def test_numbered_captions_come_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").touch()
    file = tmp_path / "A.CSV"
    file.write_text("path," + ",".join(f"Caption_{k}" for k in reversed(range(20))) + "\n")
    with file.open("a") as stream:
        stream.write("a.mp4," + ",".join(f"number {k}" for k in reversed(range(20))) + "\n")
    assert taken(file)[0].captions == tuple(f"number {k}" for k in range(20))


def test_a_line_of_json_without_a_path_costs_only_itself(tmp_path: Path) -> None:
    for name in ("a.mp4", "b.mp4"):
        (tmp_path / name).touch()
    lines = [
        {"path": "a.mp4", "caption": "one"},
        {"caption": "two"},
        {"Video": "b.mp4", "id": "b", "text": "x"},
    ]
    (tmp_path / "a.JSONL").write_text("\n".join(map(json.dumps, lines)))
    assert [clip.id for clip in taken(tmp_path / "a.JSONL")] == ["a.mp4", "b"]
    assert lost(tmp_path / "a.JSONL") == [("row 2", "no_path")]


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_rows_of_one_video_are_its_captions(suffix: str, tmp_path: Path) -> None:
    """In any order; what differs in more than the caption is another clip of the same id, and listed."""
    for name in "abc":
        (tmp_path / f"{name}.mp4").touch()
    rows = [("a", "one", ""), ("b", "two", ""), ("a", "three", ""), ("b", "two", "test"), ("a", "one", "")]
    table = [{"path": f"{name}.mp4", "caption": text, "split": split} for name, text, split in rows]
    file = tmp_path / f"clips.{suffix}"
    if suffix == "parquet":
        write_parquet(file, **{key: [row[key] for row in table] for key in table[0]})
    elif suffix == "jsonl":
        file.write_text("".join(f"{json.dumps(row)}\n" for row in table))
    else:
        file.write_text("path,caption,split\n" + "".join(f"{','.join(row.values())}\n" for row in table))
    assert [(clip.id, clip.captions) for clip in taken(file)] == [
        ("a.mp4", ("one", "three")),
        ("b.mp4", ("two",)),
    ]
    assert lost(file) == [("b.mp4", "duplicate")]


@pytest.mark.parametrize("suffix", ["csv", "json", "parquet"])
def test_a_name_without_a_path_is_looked_for_below(suffix: str, tmp_path: Path) -> None:
    for name in ("a/video7.mp4", "a/b/video8.webm", "a/twice.mp4", "b/twice.mp4", "video9.mp4"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    names = ["video7", "8", "twice", "video9.mp4", "absent"]
    rows = [{"video_id": name, "caption": f"of {name}"} for name in names]
    file = tmp_path / f"clips.{suffix}"
    if suffix == "parquet":
        write_parquet(file, video_id=names, caption=[row["caption"] for row in rows])
    elif suffix == "json":
        file.write_text(json.dumps(rows))
    else:
        file.write_text("video_id,caption\n" + "".join(f"{','.join(row.values())}\n" for row in rows))
    assert [(clip.id, Path(clip.path).name) for clip in taken(file)] == [
        ("video7", "video7.mp4"),
        ("8", "video8.webm"),
        ("video9.mp4", "video9.mp4"),
    ]
    assert lost(file) == [("twice", "no_path"), ("absent", "no_path")]


@pytest.mark.parametrize("form", ["struct", "bytes", "named"])
def test_videos_within_a_parquet_file(form: str, tmp_path: Path) -> None:
    """They are read from there, row by row, and give what the files give."""
    arrow: Any = importlib.import_module("pyarrow")
    contents = [write_video(tmp_path / f"{k}.mp4", blobs(6, k)).read_bytes() for k in range(3)]
    captions = [[f"one {k}", f"two {k}"] for k in range(3)]
    inside = [{"bytes": content, "path": f"v{k}.mp4"} for k, content in enumerate(contents)]
    columns: dict[str, Any] = {
        "struct": {"video": inside},
        "bytes": {"mp4": contents},
        "named": {"video": inside, "video_id": ["x0", "x1", "x2"]},
    }[form]
    (tmp_path / "in").mkdir()
    file = tmp_path / "in" / "a.parquet"
    table = arrow.table(columns | {"captions": captions})
    importlib.import_module("pyarrow.parquet").write_table(table, file, row_group_size=2)
    found = taken(file)
    ids = {"struct": "v{}.mp4", "bytes": "row {}", "named": "x{}"}[form]
    assert [clip.id for clip in found] == [ids.format(k + (form == "bytes")) for k in range(3)]
    assert [clip.captions for clip in found] == [tuple(texts) for texts in captions]
    for clip, content in zip(found, contents, strict=True):
        with opened(clip.path) as video:
            assert not isinstance(video, Path) and video.read() == content
    how = GroupSettings(frames=2, per_clip=2, size=16)
    whole, other = (extract(path, "x", how) for path in (found[2].path, str(tmp_path / "2.mp4")))
    assert whole == other and whole.groups
    with pytest.raises(DataError, match="no video in row 10"), opened(f"{found[0].path[:-1]}9"):
        pass


def test_rows_of_captions_with_ids_of_their_own(tmp_path: Path) -> None:
    """As in copies with a row for each sentence, and in JSON lines that are called json."""
    (tmp_path / "video7.mp4").touch()
    rows = [{"id": n, "sen_id": n, "video_id": "video7", "caption": f"caption {n}"} for n in range(3)]
    (tmp_path / "a.json").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    assert [(clip.id, len(clip.captions)) for clip in taken(tmp_path / "a.json")] == [("video7", 3)]


def test_a_column_that_names_videos_comes_before_numbers_of_rows(tmp_path: Path) -> None:
    """As in the hub's metadata.csv, where an id numbers the captions."""
    for number in range(3):
        (tmp_path / f"video{number}.mp4").touch()
    rows = "0,video2.mp4,two\n1,video0.mp4,zero\n2,video1.mp4,one\n"
    (tmp_path / "metadata.csv").write_text(f"id,file_name,text\n{rows}")
    found = {Path(clip.path).name: clip.captions for clip in taken(tmp_path / "metadata.csv")}
    assert found == {"video0.mp4": ("zero",), "video1.mp4": ("one",), "video2.mp4": ("two",)}
    (tmp_path / "other.csv").write_text(f"id,clip_file,text\n{rows}")
    with pytest.raises(DataError, match="video2.mp4 in the column clip_file; rename clip_file to path"):
        taken(tmp_path / "other.csv")


def test_captions_with_ids_of_their_own_are_those_of_one_video(tmp_path: Path) -> None:
    for name in ("a.mp4", "b.mp4"):
        (tmp_path / name).touch()
    (tmp_path / "a.csv").write_text(
        "id,video_id,path,caption\n1,v,a.mp4,one\n2,v,a.mp4,two\n3,w,b.mp4,three\n"
    )
    assert [(clip.id, clip.captions) for clip in taken(tmp_path / "a.csv")] == [
        ("1", ("one", "two")), ("3", ("three",)),
    ]  # fmt: skip


def test_a_table_that_was_written_on_windows(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.mp4").touch()
    (tmp_path / "a.csv").write_bytes(b"path,caption\r\nsub\\a.mp4,one\r\n")
    assert [clip.path for clip in taken(tmp_path / "a.csv")] == [str(tmp_path / "sub" / "a.mp4")]


def test_a_quote_that_is_never_closed_swallows_no_rows(tmp_path: Path) -> None:
    rows = ["path,caption", "a.mp4,one", 'b.mp4,"two', "c.mp4,three", "d.mp4,four"]
    (tmp_path / "a.csv").write_text("\n".join(rows) + "\n")
    with pytest.raises(DataError, match=r"a\.csv, line 3: a quote that is never closed"):
        taken(tmp_path / "a.csv")
    (tmp_path / "a.mp4").touch()
    (tmp_path / "a.tsv").write_text('path\tcaption\na.mp4\t"so" he said, 5" wide\n')
    assert [clip.captions for clip in taken(tmp_path / "a.tsv")] == [('so he said, 5" wide',)]


def test_captions_in_lists_within_lists(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").touch()
    row = {"path": "a.mp4", "captions": [["one"], "two", 3, {"en": "x"}, None]}
    (tmp_path / "a.jsonl").write_text(json.dumps(row))
    assert taken(tmp_path / "a.jsonl")[0].captions == ("one", "two", "3")


def test_splits_in_other_alphabets_stay_apart(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / f"{name}.mp4").touch()
    (tmp_path / "a.csv").write_text("path,caption,split\na.mp4,x,\u8bad\u7ec3\nb.mp4,x,\u6d4b\u8bd5\n")
    first, second = (clip.split for clip in taken(tmp_path / "a.csv"))
    assert first != second and first.isascii() and second.isascii()


def test_a_caption_that_commas_have_cut_is_listed(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / f"{name}.mp4").touch()
    (tmp_path / "a.csv").write_text("path,caption\na.mp4,a red car, in the snow\nb.mp4,a car,\n")
    assert [(clip.id, clip.captions) for clip in taken(tmp_path / "a.csv")] == [("b.mp4", ("a car",))]
    assert lost(tmp_path / "a.csv") == [("a.mp4", "bad_caption")]


@pytest.mark.parametrize("content", ["{}", "[1]", "[", "[" * 100_000])
def test_json_that_is_no_list_of_objects_is_told(content: str, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(DataError, match=r"a\.json: .*write a list of JSON objects"):
        taken(tmp_path / "a.json")


def test_a_table_as_a_spreadsheet_saves_unicode(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").touch()
    (tmp_path / "a.tsv").write_bytes("path\tcaption\r\na.mp4\tcaf\u00e9\r\n".encode("utf-16"))
    assert taken(tmp_path / "a.tsv")[0].captions == ("caf\u00e9",)


def test_a_misspelt_column_is_recognised(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("Pth,caption\na.mp4,x\n")
    with pytest.raises(
        DataError, match="columns Pth, caption, expected path and caption; rename pth to path"
    ):
        list(read_source(str(tmp_path / "a.csv")))


def test_a_cell_that_is_too_large_is_told_with_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("frameweave.data.sources.rows._FIELD", 1000)
    (tmp_path / "a.csv").write_text("path,caption\na.mp4,x\nb.mp4," + "y" * 1001 + "\n")
    with pytest.raises(DataError, match=r"a\.csv, line 3: field larger"):
        list(read_source(str(tmp_path / "a.csv")))


def test_only_the_columns_that_are_needed_are_read(tmp_path: Path) -> None:
    """Others may be large, or hold what Python has no value for."""
    (tmp_path / "a.mp4").touch()
    arrow: Any = importlib.import_module("pyarrow")
    file = write_parquet(
        tmp_path / "A.PARQUET",
        path=["a.mp4"],
        captions=[["one", None, "two"]],
        when=arrow.array([2**62], arrow.timestamp("ns")),
        pixels=[bytes(2**25)],
    )
    tracemalloc.start()
    assert taken(file)[0].captions == ("one", "two")
    assert tracemalloc.get_traced_memory()[1] < 2**23
    tracemalloc.stop()


def test_values_of_other_types(tmp_path: Path) -> None:
    (tmp_path / "1").touch()
    arrow: Any = importlib.import_module("pyarrow")
    values = write_parquet(tmp_path / "a.parquet", path=[1, 1], caption=[b"caf\xc3\xa9", b"\xff"], id=[7, 8])
    assert [(clip.id, clip.captions) for clip in taken(values)] == [("7", ("caf\u00e9",))]
    assert lost(values) == [("row 2", "bad_caption")]
    file = write_parquet(
        tmp_path / "b.parquet", path=arrow.array([2**62], arrow.timestamp("us")), caption=["x"]
    )
    with pytest.raises(DataError, match="not a readable parquet file"):
        taken(file)


def test_parquet_needs_an_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.parquet").touch()
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtra, match=r"frameweave\[parquet\]"):
        taken(tmp_path / "a.parquet")


def test_rows_are_not_all_held(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    with file.open("w") as stream:
        stream.write("path,caption\n")
        stream.writelines(f"{k}.mp4,{'x' * 4000}\n" for k in range(4000))  # 16 MB
    tracemalloc.start()
    assert sum(1 for _ in TableReader(file)) == 4000
    assert tracemalloc.get_traced_memory()[1] < 2**21
    tracemalloc.stop()


@settings(deadline=None, max_examples=60, derandomize=True)
@given(
    damage=st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 255)), max_size=6),
    keep=st.integers(0, 5000),
)
def test_any_damaged_parquet(
    damage: list[tuple[int, int]], keep: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = write_parquet(
        tmp_path_factory.mktemp("any") / "a.parquet", path=["a.mp4"] * 9, captions=[["x", "y"]] * 9
    )
    data = bytearray(file.read_bytes())
    for at, value in damage:
        data[at % len(data)] = value
    file.write_bytes(data if keep > len(data) else data[:keep])
    with suppress(DataError):
        assert all(isinstance(item, ClipRecord | Skipped) for item in Usable(TableReader(file)))


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


def test_cells_that_are_empty_in_pandas_are_no_captions(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", blobs(3))
    lines = ['{"path": "a.mp4", "caption": NaN}', '{"path": "a.mp4", "caption": true}']
    (tmp_path / "list.jsonl").write_text("\n".join(lines))
    found = list(read_source(f"{tmp_path}/list.jsonl"))
    assert found and all(isinstance(one, Skipped) for one in found)


@pytest.mark.parametrize(
    "table",
    [
        'path,caption\na.mp4,"[""one"", ""two""]"\n',
        "path,captions\na.mp4,\"['one', 'two']\"\n",
        "path,captions\na.mp4,['one' 'two']\n",
        "path,caption,caption\na.mp4,one,two\n",
        "path,Caption,caption\na.mp4,one,two\n",
        "path,caption 1,caption 2\na.mp4,one,two\n",
        "path,caption,caption_2\na.mp4,one,two\n",
        "path,Sentence-1,Sentence-2\na.mp4,one,two\n",
        "sep=;\r\npath;caption 1;caption 2\r\na.mp4;one;two\r\n",
        "\n\npath,caption,caption\na.mp4,one,two\n",
        ",path,caption_1,caption_2\n0,a.mp4,one,two\n",
    ],
)
def test_every_caption_of_a_row_is_taken(table: str, tmp_path: Path) -> None:
    (tmp_path / "a.mp4").touch()
    (tmp_path / "a.csv").write_text(table, newline="")
    assert [clip.captions for clip in taken(tmp_path / "a.csv")] == [("one", "two")]


@pytest.mark.parametrize("between", [[], ["c.mp4,three"]])
def test_two_quotes_that_are_never_closed_swallow_no_rows(between: list[str], tmp_path: Path) -> None:
    rows = ["path,caption", 'a.mp4,"one', *between, 'b.mp4,"two', "d.mp4,four"]
    (tmp_path / "a.csv").write_text("\n".join(rows) + "\n")
    with pytest.raises(DataError, match=r"a\.csv, line 2: a quote that is closed by that of another line"):
        taken(tmp_path / "a.csv")
    (tmp_path / "a.csv").write_text('path,caption\na.mp4,"one\nand ""two"""\n')
    (tmp_path / "a.mp4").touch()
    assert len(taken(tmp_path / "a.csv")) == 1


def test_the_line_of_a_fault_is_that_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('sep=,\n\npath,caption\na.mp4,one\nb.mp4,"two\n')
    with pytest.raises(DataError, match="line 5: a quote that is never closed"):
        list(read_source(str(tmp_path / "a.csv")))


def test_parts_of_videos_are_refused_but_not_where_clips_were_cut_from(tmp_path: Path) -> None:
    """As MSR-VTT's tables say both, of clips that are files of their own."""
    (tmp_path / "a.mp4").touch()
    (tmp_path / "a.csv").write_text("path,caption,start time,end time\na.mp4,one,3,8\n")
    with pytest.raises(DataError, match=r"columns start time and end time, but videos are taken whole"):
        list(read_source(str(tmp_path / "a.csv")))
    (tmp_path / "b.csv").write_text("path,caption,url,start time,end time\na.mp4,one,u,3,8\n")
    assert taken(tmp_path / "b.csv")[0].captions == ("one",)


def test_folders_behind_links_are_looked_into(tmp_path: Path) -> None:
    (tmp_path / "disk" / "more").mkdir(parents=True)
    (tmp_path / "set").mkdir()
    (tmp_path / "disk" / "more" / "a.mp4").touch()
    (tmp_path / "set" / "linked").symlink_to(tmp_path / "disk")
    (tmp_path / "disk" / "back").symlink_to(tmp_path / "set")
    (tmp_path / "set" / "clips.csv").write_text("path,caption\na.mp4,one\n")
    assert [clip.path for clip in taken(tmp_path / "set" / "clips.csv")] == [
        str(tmp_path / "set" / "linked" / "more" / "a.mp4")
    ]


@pytest.mark.parametrize(
    "columns",
    [
        "clip_start,clip_end",
        "begin,end",
        "begin_time,end_time",
        "start_ms,end_ms",
        "start_time_s,end_time_s",
        "frame_start,frame_end",
        "first_frame,last_frame",
        "from,to",
        "in,out",
        "t0,t1",
        "segment",
        "Timestamps",
    ],
)
def test_parts_of_videos_by_any_name_are_refused(columns: str, tmp_path: Path) -> None:
    (tmp_path / "a.mp4").touch()
    values = ",".join("1" for _ in columns.split(","))
    (tmp_path / "a.csv").write_text(f"path,caption,{columns}\na.mp4,a dog,{values}\n")
    with pytest.raises(DataError, match="videos are taken whole"):
        taken(tmp_path / "a.csv")


def test_a_later_object_of_a_part_is_refused_too(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").touch()
    first = {"path": "a.mp4", "caption": "a dog"}
    lines = [first, first | {"start": 1, "end": 2}]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, lines)))
    with pytest.raises(DataError, match="start and end"):
        taken(tmp_path / "a.jsonl")


def test_blanks_before_a_quote_are_no_part_of_a_caption(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").touch()
    (tmp_path / "a.csv").write_text('path, caption\na.mp4, "a dog, in the snow"\n')
    assert taken(tmp_path / "a.csv")[0].captions == ("a dog, in the snow",)


@pytest.mark.parametrize("caption", ['"a \\"red\\" car"', '"a \\"red\\", or blue, car"'])
def test_quotes_behind_backslashes(caption: str, tmp_path: Path) -> None:
    """As MySQL and Spark write them; a backslash at a cell's end stays one where quotes are doubled."""
    for name in ("a.mp4", "b.mp4"):
        (tmp_path / name).touch()
    (tmp_path / "a.csv").write_text(f"path,caption\na.mp4,{caption}\nb.mp4,a\\boat\n")
    expected = caption[1:-1].replace("\\", "")
    assert [clip.captions for clip in taken(tmp_path / "a.csv")] == [(expected,), ("a\\boat",)]
    (tmp_path / "b.csv").write_text('path,caption\na.mp4,"on C:\\"\nb.mp4,"a ""red"" boat"\n')
    assert [clip.captions for clip in taken(tmp_path / "b.csv")] == [("on C:\\",), ('a "red" boat',)]


def test_rows_of_captions_of_one_video_within_a_parquet_file(tmp_path: Path) -> None:
    first, second = (write_video(tmp_path / f"{k}.mp4", blobs(6, k)).read_bytes() for k in range(2))
    file = write_parquet(
        tmp_path / "a.parquet",
        video=[first, first, second, first],
        id=["x", "x", "y", "y"],
        caption=["one", "two", "three", "of another video"],
    )
    assert [(clip.id, clip.captions) for clip in taken(file)] == [("x", ("one", "two")), ("y", ("three",))]
    assert lost(file) == [("y", "duplicate")]


def test_a_cell_without_a_video_costs_its_row_alone(tmp_path: Path) -> None:
    video = write_video(tmp_path / "a.mp4", blobs(6, 0)).read_bytes()
    file = write_parquet(
        tmp_path / "a.parquet",
        video=[video, None, video],
        id=["x", "x", "x"],
        caption=["one", "two", "three"],
    )
    assert [(clip.id, clip.captions) for clip in taken(file)] == [("x", ("one", "three"))]
