"""Many edits by a table: one folder each, finished ones kept, failures told and stopping nothing."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from frameweave.errors import DataError
from frameweave.jobs.edit_many import edit_many
from frameweave.jobs.options import EditManyOptions
from frameweave.run import read_run
from frameweave.video import probe
from notes import Notes
from videos import blobs, write_video


@pytest.fixture
def options(tiny_folder: Path, tmp_path: Path) -> EditManyOptions:
    return EditManyOptions(
        model=str(tiny_folder),
        device="cpu",
        steps=2,
        workers=0,
        out=tmp_path / "runs",
        cache=tmp_path / "cache",
    )


@pytest.fixture
def table(tmp_path: Path) -> Path:
    (tmp_path / "videos").mkdir()
    for k in range(2):
        write_video(tmp_path / "videos" / f"{k}.mp4", blobs(3, k))
    file = tmp_path / "edits.csv"
    file.write_text(
        "video,prompt,name,seed,editor\n"
        'videos/0.mp4,"a red car, in the snow",,7,\n'
        "videos/1.mp4,a blue duck,second,,tokenflow\n"
        "videos/absent.mp4,a blue duck,third,,\n"
    )
    return file


def test_every_line_gets_a_folder_and_failures_stop_nothing(table: Path, options: EditManyOptions) -> None:
    notes = Notes()
    found = edit_many(table, options, progress=notes)
    assert (found.done, found.earlier, list(found.failed)) == (2, 0, ["third"])
    assert "no such file" in found.failed["third"]
    first, second = options.out / "0--a-red-car-in-the-snow", options.out / "second"
    assert probe(first / "edited.mp4").frames == probe(second / "edited.mp4").frames == 3
    assert read_run(first)["settings"]["seed"] == 7
    assert read_run(second)["settings"]["editor"] == "tokenflow"
    before = (second / "edited.mp4").stat().st_mtime_ns
    write_video(table.parent / "videos" / "absent.mp4", blobs(3))
    again = edit_many(table, options)
    assert (again.done, again.earlier, again.failed) == (1, 2, {})
    assert (second / "edited.mp4").stat().st_mtime_ns == before


def test_other_processes_and_array_jobs_give_the_same_videos(
    table: Path, options: EditManyOptions, tmp_path: Path
) -> None:
    rows = [
        {"video": "videos/0.mp4", "prompt": "a red car", "name": "a"},
        {"video": "videos/1.mp4", "prompt": "a red car", "name": "b", "source_prompt": "blobs"},
    ]
    lines = table.with_suffix(".jsonl")
    lines.write_text("".join(json.dumps(row) + "\n" for row in rows))
    edit_many(lines, options)
    elsewhere = replace(options, workers=1, out=tmp_path / "elsewhere")
    for index in (1, 0):
        done = edit_many(lines, replace(elsewhere, shard_index=index, num_shards=2))
        assert (done.done, done.failed) == (1, {})
    for name in "ab":
        here, there = (folder / name / "edited.mp4" for folder in (options.out, elsewhere.out))
        assert here.read_bytes() == there.read_bytes()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("video,prompt\na.mp4,\n", "line 2: no prompt"),
        ("video,prompt\n\n\na.mp4,\n", "line 4: no prompt"),
        ("prompt\na car\n", "line 2: no video"),
        ("video,prompt,sede\na.mp4,x,1\n", "did you mean seed"),
        ("video,prompt,seed\na.mp4,x,one\n", "line 2: invalid literal"),
        ("video,prompt,name\na.mp4,x,../b\n", "leave out slashes"),
        ("video,prompt\na.mp4,x\na.mp4,X\n", "is there twice"),
    ],
)
def test_wrong_tables_are_told_with_the_line(
    text: str, message: str, options: EditManyOptions, tmp_path: Path
) -> None:
    file = tmp_path / "edits.csv"
    file.write_text(text)
    with pytest.raises(DataError, match=message):
        edit_many(file, options)


def test_wrong_json_is_told_with_the_line(options: EditManyOptions, tmp_path: Path) -> None:
    file = tmp_path / "edits.jsonl"
    for text, message in (('{"video": "a"', "line 1"), ("\n\n[1]\n", "line 3: no object")):
        file.write_text(text)
        with pytest.raises(DataError, match=message):
            edit_many(file, options)
    with pytest.raises(DataError, match="no such file"):
        edit_many(tmp_path / "absent.csv", options)
