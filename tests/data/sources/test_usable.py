"""What all readers have in common: plain names, clean captions, each id once."""

import json
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from frameweave.data.plan import Choice, Plan, write_plan
from frameweave.data.record import ClipRecord, Skipped
from frameweave.data.sources.usable import Usable, plain_id, usual_split
from frameweave.data.text import CAPTION_LIMIT, CAPTIONS_LIMIT
from hostile_tars import plain_tar
from prepared import Listed
from reading_sources import lost, taken


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
    assert lost(Listed(found)) == [("a", "duplicate"), ("c", "no_caption"), ("d", "missing")]


def test_a_split_is_never_a_way_out_of_a_folder(tmp_path: Path) -> None:
    """A shard's file is named by its split."""
    (tmp_path / "a.mp4").touch()
    for hostile in ("../../up", "/root", "a/b", "..", "\x00", "x\ny", "Val\u202e"):
        (tmp_path / "a.jsonl").write_text(json.dumps({"path": "a.mp4", "caption": "x", "split": hostile}))
        [clip] = taken(tmp_path / "a.jsonl")
        assert not set(clip.split) - set("abcdefghijklmnopqrstuvwxyz0123456789_-")
        out = tmp_path / "out" / "deep"
        out.mkdir(parents=True, exist_ok=True)
        write_plan(out, Listed([clip]), {}, Choice(source="here", clips_per_shard=1))
        [shard] = Plan.open(out).shards()
        assert (out / f"{shard.name}.tar").resolve().parent == out.resolve()


def test_a_member_is_there_when_its_tar_is(tmp_path: Path) -> None:
    tar = plain_tar(tmp_path / "a.tar", {"a.mp4": b"x"})
    clips = [
        ClipRecord(id=path, path=f"{tmp_path}/{path}", captions=("x",))
        for path in ("a.tar!a.mp4", "b.tar!a.mp4")
    ]
    found = list(Usable(Listed(clips)))
    assert isinstance(found[0], ClipRecord) and found[0].path == f"{tar}!a.mp4"
    assert isinstance(found[1], Skipped) and found[1].reason == "missing"


texts = st.text(st.characters(), max_size=30) | st.sampled_from(
    ["", " ", "a\x1b[2J", "x" * 5000, "\ud800", "\u202eabc"]
)


@settings(deadline=None, max_examples=200, derandomize=True)
@given(first=texts, second=texts)
def test_any_two_names_stay_two_and_can_be_written(first: str, second: str) -> None:
    plain = plain_id(first), plain_id(second)
    assert (plain[0] == plain[1]) == (first == second)
    for name in plain:
        assert name.isprintable() and 0 < len(name) <= 200
        name.encode()
        assert plain_id(name) == name


@settings(deadline=None, max_examples=200, derandomize=True)
@given(
    rows=st.lists(st.tuples(texts, texts, texts, texts), max_size=5),
    captions=st.lists(texts, max_size=4),
)
def test_any_record_can_be_written_as_a_line(
    rows: list[tuple[str, str, str, str]], captions: list[str]
) -> None:
    records = [
        ClipRecord(
            id=name,
            path="/" + path * (k % 2),
            captions=tuple(captions),
            split=split,
            category=other,
            origin=other,
        )
        for k, (name, path, split, other) in enumerate(rows)
    ] + [Skipped(id=name, reason="missing", detail=detail) for name, detail, *_ in rows]
    found = list(Usable(Listed(records)))
    assert len(found) == len(records)
    for item in found:
        line = item.line(lean=True)
        assert line.encode() and "\n" not in line
        split = item.split if isinstance(item, ClipRecord) else ""
        assert usual_split(split) == split
