"""MSR-VTT in every layout that goes around, at full size, and damaged."""

import json
from collections import Counter
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


@pytest.mark.parametrize("splits", [True, False])
def test_the_official_counts(splits: bool, tmp_path: Path) -> None:
    """10,000 clips with 200,000 captions; splits from the file, or by number where it does not say."""
    (tmp_path / "videodatainfo_2017.json").write_text(json.dumps(annotations(range(10_000), splits=splits)))
    videos(tmp_path / "videos" / "all", range(10_000))
    found = records(tmp_path)
    assert Counter(clip.split for clip in found) == {"train": 6513, "validate": 497, "test": 2990}
    assert [clip.id for clip in found] == [f"video{n}" for n in range(10_000)]
    assert all(len(clip.captions) == 20 for clip in found)
    clip = found[7010]
    assert (clip.category, clip.origin, clip.captions[3]) == ("10", "yt3505", "caption 3 of 7010")
    assert clip.path.endswith("videos/all/video7010.mp4")


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
    with pytest.raises(DataError, match="no annotation file"):
        read_source(str(tmp_path / "absent"), layout="msrvtt")


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
