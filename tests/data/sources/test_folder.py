"""Every video below a folder, and what lies beside it."""

import json
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from frameweave.data.record import ClipRecord, Skipped, Told
from frameweave.data.sources.beside import told_by_json
from frameweave.data.sources.detect import read_source
from reading_sources import lost, taken


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
    assert lost(tmp_path) == [("e", "bad_caption"), ("f", "no_caption")]


def test_a_folder_of_pictures_is_a_clip_when_captions_lie_beside_it(tmp_path: Path) -> None:
    for name in ("walk.v1", "run.depth", "thumbnails", "empty"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "0001.PNG" if name != "empty" else tmp_path / "run.mp4").touch()
    for name in ("walk.v1", "run", "empty"):
        (tmp_path / f"{name}.txt").write_text(f"caption of {name}")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "0.png").touch()
    assert [(clip.id, clip.path, clip.depth) for clip in taken(tmp_path)] == [
        ("run", str(tmp_path / "run.mp4"), str(tmp_path / "run.depth")),
        ("walk.v1", str(tmp_path / "walk.v1"), ""),
    ]
    assert lost(tmp_path) == [("run", "duplicate")]


def test_what_is_hidden_or_no_file_is_left_alone(tmp_path: Path) -> None:
    for folder in ("__MACOSX", ".cache", "ok", "named.mp4"):
        (tmp_path / folder).mkdir()
        for name in ("a", "._a"):
            (tmp_path / folder / f"{name}.txt").write_text("x")
            (tmp_path / folder / f"{name}.mp4").touch()
    (tmp_path / "link.mp4").symlink_to("absent")
    os.mkfifo(tmp_path / "pipe.mp4")
    assert [item.id for item in read_source(str(tmp_path))] == ["named.mp4/a", "ok/a"]


def test_a_link_that_leads_round_ends(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").touch()
    (tmp_path / "a.txt").write_text("x")
    (tmp_path / "round").symlink_to(tmp_path)
    assert [clip.id for clip in taken(tmp_path)] == ["a"]


def test_captions_in_json_of_every_form() -> None:
    assert told_by_json(b'"one"') == told_by_json(b'{"text": "one"}') == Told(captions=("one",))
    assert told_by_json(b'[1, "two", null]') == Told(captions=("two",))
    assert told_by_json(
        b'{"caption": [], "captions": null, "text": ["a", "b"], "split": 7, "origin": []}'
    ) == Told(captions=("a", "b"), split="7")
    assert told_by_json(b"{}") == Told()


def test_encodings_of_captions(tmp_path: Path) -> None:
    """UTF-8 and UTF-16 with its mark are read; of anything else the file is named, and nothing is guessed."""
    text = "caf\u00e9 \u732b\n\u200b"
    contents = {
        "a.txt": text.encode(),
        "b.txt": text.encode("utf-8-sig"),
        "c.txt": text.encode("utf-16"),
        "d.txt": b"\xfe\xff" + text.encode("utf-16-be"),
        "e.json": b"\xff\xfe" + json.dumps(text, ensure_ascii=False).encode("utf-16-le"),
        "f.txt": "caf\u00e9".encode("cp1252"),
        "g.txt": text.encode("utf-16-le"),
        "h.txt": "a car".encode("utf-16-le"),
        "i.json": '["caf\u00e9"]'.encode("cp1252"),
        "j.txt": "\u200b\ufeff \u2800".encode(),
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
        (tmp_path / name).with_suffix(".mp4").touch()
    assert {clip.id: clip.captions for clip in taken(tmp_path)} == dict.fromkeys(
        "abcde", ("caf\u00e9 \u732b",)
    )
    skipped = [item for item in read_source(str(tmp_path)) if isinstance(item, Skipped)]
    assert [(item.id, item.reason) for item in skipped] == [
        *((name, "bad_caption") for name in "fghi"),
        ("j", "no_caption"),
    ]
    assert skipped[0].detail.startswith("f.txt: not UTF-8") and skipped[3].detail.startswith("i.json: ")


def test_suffixes_in_capitals(tmp_path: Path) -> None:
    for name, content in (("A.MP4", ""), ("A.TXT", "one"), ("B.MOV", ""), ("B.JSON", '"two"')):
        (tmp_path / name).write_text(content)
    assert [(clip.id, clip.captions) for clip in taken(tmp_path)] == [("A", ("one",)), ("B", ("two",))]


def test_an_empty_text_hides_no_json(tmp_path: Path) -> None:
    for name, content in (("a.mp4", ""), ("a.txt", " \n"), ("a.json", '["one"]')):
        (tmp_path / name).write_text(content)
    assert [clip.captions for clip in taken(tmp_path)] == [("one",)]


def test_names_of_other_alphabets_and_encodings(tmp_path: Path) -> None:
    names = ["\u732b caf\u00e9", "\U0001f986 " + "x" * 200]
    for name in names:
        (tmp_path / f"{name}.mp4").touch()
        (tmp_path / f"{name}.txt").write_text("x")
    with open(os.fsencode(tmp_path) + b"/\xe9.mp4", "wb"):  # noqa: PTH123 - a name that is no text
        pass
    assert [clip.path for clip in taken(tmp_path)] == [f"{tmp_path}/{name}.mp4" for name in names]
    assert [reason for _, reason in lost(tmp_path)] == ["bad_name"]
    assert len(taken(tmp_path, subset=1)) == 1


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
