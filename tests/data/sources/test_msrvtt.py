"""MSR-VTT in every layout that goes around, at full size, and damaged."""

import json
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from frameweave.data.record import ClipRecord, Skipped
from frameweave.data.sources.detect import read_source
from frameweave.data.sources.msrvtt import MsrVttReader
from frameweave.errors import DataError


def annotations(numbers: range, *, splits: bool = True, captions: int = 20) -> dict[str, Any]:
    """An official file."""
    names = {"train": range(6513), "validate": range(6513, 7010), "test": range(7010, 10000)}
    return {
        "info": {"version": "1.0"},
        "videos": [
            {
                "id": n,
                "video_id": f"video{n}",
                "category": n % 20,
                "url": f"https://www.youtube.com/watch?v=yt{n // 2}",
                "start time": 1.5,
                "end time": 11.5,
                "split": next(name for name, span in names.items() if n in span) if splits else None,
            }
            for n in numbers
        ],
        "sentences": [
            {"sen_id": 20 * n + k, "video_id": f"video{n}", "caption": f"caption {k} of {n}"}
            for n in numbers
            for k in range(captions)
        ],
    }


def videos(folder: Path, numbers: range) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for n in numbers:
        (folder / f"video{n}.mp4").touch()


def records(folder: Path, **how: Any) -> list[ClipRecord]:
    return [item for item in read_source(str(folder), **how) if isinstance(item, ClipRecord)]


@pytest.fixture(scope="module")
def full_size(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with 10,000 videos."""
    folder = tmp_path_factory.mktemp("full")
    videos(folder / "videos" / "all", range(10_000))
    return folder


@pytest.mark.parametrize(("splits", "captions"), [(True, 20), (False, 4)])
def test_the_official_counts(splits: bool, captions: int, full_size: Path) -> None:
    """10,000 clips with 200,000 captions; splits from the file, or by number where it does not say."""
    file = full_size / "videodatainfo_2017.json"
    file.write_text(json.dumps(annotations(range(10_000), splits=splits, captions=captions)))
    found = records(full_size)
    assert Counter(clip.split for clip in found) == {"train": 6513, "validate": 497, "test": 2990}
    assert [clip.id for clip in found] == [f"video{n}" for n in range(10_000)]
    assert all(len(clip.captions) == captions for clip in found)
    clip = found[7010]
    assert (clip.category, clip.origin, clip.captions[3]) == ("10", "yt3505", "caption 3 of 7010")
    assert clip.path.endswith("videos/all/video7010.mp4")


@pytest.mark.parametrize("lists", ["csv", "txt"])
def test_the_counts_of_1k_a(lists: str, full_size: Path) -> None:
    """9,000 to train with, 1,000 to test with, whose one sentence stands in the official list only."""
    (full_size / "videodatainfo_2017.json").write_text(json.dumps(annotations(range(10_000), captions=2)))
    tested = [*range(7010, 9980, 3), *range(7011, 7041, 3)]
    trained = [n for n in range(10_000) if n not in set(tested)]
    if lists == "csv":
        first, second = full_size / "MSRVTT_train.9k.csv", full_size / "MSRVTT_JSFUSION_test.csv"
        first.write_text("video_id\n" + "".join(f"video{n}\n" for n in trained))
        rows = (f'ret{k},msr{n},video{n},"a sentence, of {n}"\n' for k, n in enumerate(tested))
        second.write_text("key,vid_key,video_id,sentence\n" + "".join(rows))
    else:
        place = full_size / "high-quality" / "structured-symlinks"
        place.mkdir(parents=True)
        first, second = place / "train_list_jsfusion.txt", place / "val_list_jsfusion.txt"
        first.write_text("".join(f"video{n}\n" for n in trained))
        second.write_text("".join(f"video{n}\n" for n in tested))
    found = records(full_size, layout="msrvtt-1k-a")
    first.unlink()
    second.unlink()
    assert Counter(clip.split for clip in found) == {"train": 9000, "test": 1000}
    assert {clip.id for clip in found if clip.split == "test"} == {f"video{n}" for n in tested}
    captions = next(clip.captions for clip in found if clip.id == "video7013")
    assert captions == ("a sentence, of 7013",) if lists == "csv" else len(captions) == 2


def test_two_files_with_videos_in_two_folders(tmp_path: Path) -> None:
    for name, place, numbers in (
        ("train_val", "TrainValVideo", range(6510, 6516)),
        ("test", "TestVideo", range(7010, 7013)),
    ):
        (tmp_path / f"{name}_videodatainfo.json").write_text(json.dumps(annotations(numbers)))
        videos(tmp_path / place, numbers)
    assert Counter(clip.split for clip in records(tmp_path)) == {"train": 3, "validate": 3, "test": 3}
    assert [clip.id for clip in records(tmp_path, split="val")] == ["video6513", "video6514", "video6515"]


def test_the_copy_in_coco_s_form(tmp_path: Path) -> None:
    table = {
        "images": [{"id": "video3"}, {"id": "video7011"}],
        "annotations": [
            {"image_id": "video3", "caption": "one"},
            {"image_id": "video7011", "caption": "two"},
            {"image_id": "video3", "caption": "three"},
        ],
    }
    (tmp_path / "annotation").mkdir()
    (tmp_path / "annotation" / "MSR_VTT.json").write_text(json.dumps(table))
    videos(tmp_path / "videos" / "all", range(3, 4))
    videos(tmp_path / "videos" / "all", range(7011, 7012))
    (tmp_path / "high-quality").mkdir()
    (tmp_path / "high-quality" / "jsfusion_val_caption_idx.pkl").write_bytes(b"never opened")
    found = records(tmp_path)
    assert [(clip.id, clip.captions, clip.split) for clip in found] == [
        ("video3", ("one", "three"), "train"),
        ("video7011", ("two",), "test"),
    ]


@pytest.mark.parametrize("mark", [",", ";"])
def test_the_1k_a_division_keeps_its_own_splits(mark: str, tmp_path: Path) -> None:
    numbers = range(7005, 7015)
    (tmp_path / "MSRVTT_data.json").write_text(json.dumps(annotations(numbers)))
    videos(tmp_path, numbers)
    (tmp_path / "MSRVTT_train.9k.csv").write_text(
        "video_id\n" + "".join(f"video{n}\n" for n in range(7005, 7013))
    )
    rows = [["key", "vid_key", "video_id", "sentence"], ["ret0", "msr7014", "video7014", "the one sentence"]]
    (tmp_path / "MSRVTT_JSFUSION_test.csv").write_text("".join(mark.join(row) + "\n" for row in rows))
    found = records(tmp_path, layout="msrvtt-1k-a")
    assert Counter(clip.split for clip in found) == {"train": 8, "test": 1}
    assert found[-1].captions == ("the one sentence",)
    assert {clip.id for clip in found if clip.split == "train"} >= {"video7010", "video7012"}
    assert Counter(clip.split for clip in records(tmp_path)) == {"validate": 5, "test": 5}


def test_annotations_may_lie_anywhere_below(tmp_path: Path) -> None:
    """As in the copy on Kaggle: MSRVTT/MSRVTT/annotation, beside its videos."""
    inner = tmp_path / "MSRVTT" / "MSRVTT"
    videos(inner / "videos" / "all", range(3))
    (inner / "annotation").mkdir()
    (inner / "annotation" / "MSRVTT_data.json").write_text(json.dumps(annotations(range(3), captions=2)))
    assert [(clip.id, len(clip.captions)) for clip in records(tmp_path)] == [
        (f"video{n}", 2) for n in range(3)
    ]


@pytest.mark.parametrize(
    ("names", "rows"),
    [
        (("msrvtt_train_9k", "msrvtt_test_1k"), ("video_id", "video{}", "caption", list)),
        (("msrvtt_ret_train9k", "msrvtt_ret_test1k"), ("video", "video{}.mp4", "caption", str)),
        (("cap_train", "cap_test"), ("video_id", "video{}", "desc", list)),
        (("MSR-VTT_train", "MSR-VTT_test"), ("id", None, "captions", list)),
    ],
)
def test_lists_of_rows_as_hubs_have_them(names: Any, rows: Any, tmp_path: Path) -> None:
    """They divide as they are called, though 1k-A trains on clips of the official test split."""
    key, form, said, kind = rows
    for name, numbers in zip(names, (range(7010, 7014), range(7014, 7016)), strict=True):
        table: list[dict[str, Any]] = []
        for n in numbers:
            row = {key: n if form is None else form.format(n), "category": n % 20}
            texts = [f"{text} {n}" for text in ("one", "two")]
            table += [row | {said: texts}] if kind is list else [row | {said: text} for text in texts]
        (tmp_path / f"{name}.json").write_text(json.dumps(table))
    videos(tmp_path / "video", range(7010, 7016))
    for layout in ("auto", "msrvtt-1k-a"):
        found = records(tmp_path, layout=layout)
        assert Counter(clip.split for clip in found) == {"train": 4, "test": 2}
        assert found[0].captions == ("one 7010", "two 7010")
        assert (found[5].id, found[5].category) == ("video7015", "15")


def test_json_that_is_no_list_of_rows_makes_no_msrvtt(tmp_path: Path) -> None:
    for name, content in (
        ("msrvtt_stats.json", "[1, 2]"),
        ("msrvtt_notes.json", "{"),
        ("cap_train.json", "[]"),
    ):
        (tmp_path / name).write_text(content)
    videos(tmp_path, range(1))
    (tmp_path / "msrvtt_a.mp4").touch()
    (tmp_path / "msrvtt_a.json").write_text('[{"video": "a", "caption": "b"}]')
    (tmp_path / "video0.txt").write_text("one")
    assert [clip.id for clip in records(tmp_path)] == ["video0"]


def test_numbers_are_names_of_videos(tmp_path: Path) -> None:
    table = {
        "images": [{"id": 0}, {"id": 2}],
        "annotations": [{"image_id": n, "caption": "x"} for n in (0, 2)],
    }
    (tmp_path / "MSR_VTT.json").write_text(json.dumps(table))
    videos(tmp_path, range(3))
    assert [clip.id for clip in records(tmp_path)] == ["video0", "video2"]


def test_annotations_in_another_encoding_are_told(tmp_path: Path) -> None:
    (tmp_path / "MSRVTT_data.json").write_bytes('["caf\u00e9"]'.encode("cp1252"))
    with pytest.raises(DataError, match="MSRVTT_data.json: cannot be read .not UTF-8"):
        records(tmp_path)


def test_missing_videos_and_captions_are_skipped(tmp_path: Path) -> None:
    table = annotations(range(3), captions=1)
    table["sentences"][1]["caption"] = " \t "
    (tmp_path / "MSRVTT_data.json").write_text(json.dumps(table))
    videos(tmp_path, range(2))
    found = list(read_source(str(tmp_path)))
    assert [(item.id, item.reason) for item in found if isinstance(item, Skipped)] == [
        ("video1", "no_caption"),
        ("video2", "missing"),
    ]


def test_what_is_wrong_is_told_with_its_place(tmp_path: Path) -> None:
    file = tmp_path / "MSRVTT_data.json"
    text = json.dumps(annotations(range(3)), indent=1)
    file.write_text(text[: len(text) // 2])
    with pytest.raises(DataError, match=r"MSRVTT_data.json, line \d+, column \d+"):
        list(read_source(str(tmp_path)))
    file.write_text('{"clips": []}')
    with pytest.raises(DataError, match="found clips, expected videos and sentences|expected videos"):
        list(read_source(str(tmp_path)))
    file.write_text(json.dumps(annotations(range(3))))
    with pytest.raises(DataError, match="no MSRVTT_JSFUSION_test.csv"):
        list(read_source(str(tmp_path), layout="msrvtt-1k-a"))


def test_annotations_of_1k_a_are_not_read_as_the_full_division(tmp_path: Path) -> None:
    table = annotations(range(7005, 7020))
    for video in table["videos"]:
        video["split"] = "test" if video["id"] == 7019 else "train"
    (tmp_path / "MSRVTT_data.json").write_text(json.dumps(table))
    with pytest.raises(
        DataError, match="9 clips of the official test split are for training, such as video7010"
    ):
        list(read_source(str(tmp_path)))


def test_a_clip_in_both_lists_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "MSRVTT_data.json").write_text(json.dumps(annotations(range(3))))
    (tmp_path / "MSRVTT_train.7k.csv").write_text("video_id\nvideo1\nvideo2\n")
    (tmp_path / "MSRVTT_JSFUSION_test.csv").write_text("video_id,sentence\nvideo2,x\n")
    with pytest.raises(DataError, match="1 clips are in .* such as video2"):
        list(read_source(str(tmp_path), layout="msrvtt-1k-a"))
    (tmp_path / "MSRVTT_JSFUSION_test.csv").write_text("key|sentence\n1|x\n")
    with pytest.raises(
        DataError, match=r"test\.csv, line 1: found key\|sentence, expected a column video_id"
    ):
        list(read_source(str(tmp_path), layout="msrvtt-1k-a"))


def test_a_video_that_is_told_of_twice(tmp_path: Path) -> None:
    """In one file the second is skipped; a second file adds what the first did not tell."""
    table = annotations(range(2), captions=1)
    table["videos"].append({"video_id": "video1", "split": "test"})
    (tmp_path / "train_val_videodatainfo.json").write_text("\ufeff" + json.dumps(table))
    other = {
        "videos": [{"video_id": "video0", "category": 7}],
        "sentences": [{"video_id": "video0", "caption": "b"}],
    }
    (tmp_path / "videodatainfo_2017.json").write_text(json.dumps(other))
    videos(tmp_path, range(2))
    found = list(read_source(str(tmp_path)))
    assert [(item.id, item.reason) for item in found if isinstance(item, Skipped)] == [
        ("video1", "duplicate")
    ]
    [first, second] = [item for item in found if isinstance(item, ClipRecord)]
    assert (first.captions, first.category, first.split) == (("caption 0 of 0", "b"), "7", "train")
    assert second.split == "train"


def test_videos_of_any_format_with_depth_beside(tmp_path: Path) -> None:
    (tmp_path / "MSRVTT_data.json").write_text(json.dumps(annotations(range(3))))
    (tmp_path / "TrainValVideo" / "video1.depth").mkdir(parents=True)
    for name in ("video0.webm", "video0.depth.npy", "video1.MP4", "._video2.mp4"):
        (tmp_path / "TrainValVideo" / name).touch()
    assert [(Path(clip.path).name, Path(clip.depth).name) for clip in records(tmp_path)] == [
        ("video0.webm", "video0.depth.npy"),
        ("video1.MP4", "video1.depth"),
    ]


@pytest.mark.parametrize(
    "video",
    [
        '{"video_id": "video0", "id": ' + "9" * 5000 + "}",
        '{"video_id": "video' + "9" * 5000 + '"}',
        "[" * 5000,
    ],
)
def test_numbers_and_depths_without_measure(video: str, tmp_path: Path) -> None:
    (tmp_path / "MSRVTT_data.json").write_text(f'{{"videos": [{video}], "sentences": []}}')
    with suppress(DataError):
        assert [item.reason for item in read_source(str(tmp_path)) if isinstance(item, Skipped)] == [
            "missing"
        ]


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@settings(deadline=None, max_examples=150, derandomize=True)
@given(
    videos=st.lists(
        anything | st.fixed_dictionaries({"video_id": anything, "split": anything, "url": anything})
    ),
    sentences=st.lists(anything | st.fixed_dictionaries({"video_id": anything, "caption": anything})),
    other=anything,
)
def test_any_json_gives_records_or_an_error_of_ours(
    videos: list[Any], sentences: list[Any], other: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("any")
    (folder / "a.mp4").touch()
    for table in (
        {"videos": videos, "sentences": sentences},
        other,
        {"images": other, "annotations": sentences},
    ):
        (folder / "MSRVTT_data.json").write_text(json.dumps(table))
        try:
            found = list(read_source(str(folder)))
        except DataError:
            continue
        assert all(isinstance(item, ClipRecord | Skipped) for item in found)


@settings(deadline=None, max_examples=150, derandomize=True)
@given(content=st.binary(max_size=300))
def test_any_bytes_give_records_or_an_error_of_ours(
    content: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("bytes")
    for name in ("MSRVTT_data.json", "MSRVTT_JSFUSION_test.csv", "MSRVTT_train.9k.csv"):
        (folder / name).write_bytes(content)
    for division in ("full", "1k-a"):
        try:
            list(MsrVttReader(folder, division))
        except DataError:
            continue


def test_own_files_that_contradict_each_other_are_refused(tmp_path: Path) -> None:
    videos(tmp_path / "videos", range(1))
    for name, split in (("train_val", "validate"), ("test", "val")):
        told = {"videos": [{"video_id": "video0", "split": split}], "sentences": []}
        (tmp_path / f"{name}_videodatainfo.json").write_text(json.dumps(told))
    records(tmp_path)  # two names of one split
    told = {"videos": [{"video_id": "video0", "split": "test"}], "sentences": []}
    (tmp_path / "test_videodatainfo.json").write_text(json.dumps(told))
    with pytest.raises(DataError, match="video0 is in the split test, and in validate before"):
        records(tmp_path)


def test_lists_of_two_divisions_are_refused(tmp_path: Path) -> None:
    """A clip to test with would be trained on."""
    videos(tmp_path / "videos", range(3))
    rows = {
        "cap_train": [0, 1], "cap_test": [2], "ret_train": [0, 2], "ret_test": [1],
    }  # fmt: skip
    for name, numbers in rows.items():
        told = [{"video_id": f"video{n}", "caption": f"about {n}"} for n in numbers]
        (tmp_path / f"{name}.json").write_text(json.dumps(told))
    with pytest.raises(DataError, match="video[12] is in the split (train|test), and in (train|test) before"):
        records(tmp_path)
    for name in ("ret_train", "ret_test"):
        (tmp_path / f"{name}.json").unlink()
    assert {clip.id: clip.split for clip in records(tmp_path)} == {
        "video0": "train", "video1": "train", "video2": "test",
    }  # fmt: skip
