"""Many edits by a table: one folder each, finished ones kept, failures told and stopping nothing."""

import json
import math
from functools import lru_cache
from pathlib import Path

import pytest
import torch
from PIL import Image

from frameweave.editing import many as edit_many_job
from frameweave.editing.edit import edit
from frameweave.editing.many import Item, Line, edit_many
from frameweave.editing.options import EditManyOptions, EditOptions
from frameweave.editing.table import read_edits
from frameweave.errors import DataError, InputError
from frameweave.models.loading.choice import ModelChoice
from frameweave.models.loading.load import load_chosen
from frameweave.models.stable_diffusion import StableDiffusion
from frameweave.progress import Notes
from frameweave.runs.run import read_run
from frameweave.video import probe
from style_loras import saved
from tiny import new_adaptor
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
    assert read_run(first).settings["seed"] == 7
    assert read_run(second).settings["editor"] == "tokenflow"
    before = (second / "edited.mp4").stat().st_mtime_ns
    write_video(table.parent / "videos" / "absent.mp4", blobs(3))
    again = edit_many(table, options)
    assert (again.done, again.earlier, again.failed) == (1, 2, {})
    assert (second / "edited.mp4").stat().st_mtime_ns == before


def test_what_an_edit_says_is_said(table: Path, options: EditManyOptions) -> None:
    """Once, however many edits say it, and not what was said of the whole table."""
    notes = Notes()
    edit_many(table, options.replaced(flow="dis"), progress=notes)
    followed = [note for note in notes.texts if "no motion is followed" in note]
    assert followed == ["second: no motion is followed in this edit: the flow dis changes nothing"]


def test_edits_with_other_adaptors_share_the_model(
    tmp_path: Path, options: EditManyOptions, tiny: StableDiffusion, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_video(tmp_path / "a.mp4", blobs(2))
    for name in ("one", "two"):
        new_adaptor(tiny, base=options.model).save(tmp_path / name)
    table = tmp_path / "table.csv"
    table.write_text("video,prompt,adaptor\na.mp4,a red car,one\na.mp4,a blue car,two\na.mp4,a duck,\n")
    loaded = list[str]()

    def counting(choice: ModelChoice) -> StableDiffusion:
        loaded.append(choice.model)
        return load_chosen(choice)

    monkeypatch.setattr(edit_many_job, "_load", lru_cache(maxsize=1)(counting))
    found = edit_many(table, options)
    assert (found.done, found.failed, loaded) == (3, {}, [options.model])


def test_wrong_lines_load_no_model(
    table: Path, options: EditManyOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(*_: object) -> None:
        raise AssertionError("the model was loaded")

    monkeypatch.setattr("frameweave.editing.many.load_model", forbidden)
    table.write_text("video,prompt,frames\nvideos/absent.mp4,a red car,\nvideos/0.mp4,a red car,-2\n")
    failed = edit_many(table, options.replaced(device="cpu", seed=1, dtype="fp64")).failed
    first, second = failed.values()
    assert "absent.mp4: no such file" in first and "frames is -2" in second


def test_no_lines_and_wrong_numbers_for_all_are_refused(table: Path, options: EditManyOptions) -> None:
    with pytest.raises(InputError, match="steps is -5"):
        edit_many(table, options.replaced(steps=-5))
    table.write_text("video,prompt\n")
    with pytest.raises(InputError, match=r"edits\.csv: no lines"):
        edit_many(table, options)


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
    elsewhere = options.replaced(out=tmp_path / "elsewhere")
    for index in (1, 0):  # the first job in a process of its own, the other in this one
        done = edit_many(lines, elsewhere.replaced(workers=index, shard_index=index, num_shards=2))
        assert (done.done, done.failed) == (1, {})
    for name in "ab":
        here, there = (folder / name / "edited.mp4" for folder in (options.out, elsewhere.out))
        assert here.read_bytes() == there.read_bytes()


def test_a_corrected_line_is_not_taken_for_the_finished_edit(table: Path, options: EditManyOptions) -> None:
    lines = table.with_suffix(".csv")
    lines.write_text("video,prompt,name\nvideos/0.mp4,a red car,a\nvideos/0.mp4,a red car,b\n")
    assert edit_many(lines, options).done == 2
    kept = (options.out / "a" / "edited.mp4").stat().st_mtime_ns
    for line, message in (("videos/0.mp4,a blue duck", "prompts"), ("videos/1.mp4,a red car", "video")):
        lines.write_text(f"video,prompt,name\nvideos/0.mp4,a red car,a\n{line},b\n")
        done = edit_many(lines, options)
        assert (done.done, done.earlier, list(done.failed)) == (0, 1, ["b"])
        assert f"its run has {message} = " in done.failed["b"] and "--overwrite" in done.failed["b"]
    done = edit_many(lines, options.replaced(overwrite=True))
    assert (done.done, done.earlier, done.failed) == (1, 1, {})
    assert read_run(options.out / "b").input["video"] == str(table.parent / "videos" / "1.mp4")
    assert (options.out / "a" / "edited.mp4").stat().st_mtime_ns == kept


def test_jobs_of_an_array_find_names_that_others_have(table: Path, options: EditManyOptions) -> None:
    table.write_text("video,prompt,name\nvideos/0.mp4,a red car,a\nvideos/1.mp4,a red car,a\n")
    for index in (0, 1):
        with pytest.raises(DataError, match="the name 'a' is there 2 times"):
            edit_many(table, options.replaced(shard_index=index, num_shards=2))


def test_workers_are_told_whole_paths(
    table: Path, options: EditManyOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They may work in another folder. An adaptor is the table's when it is there, else as it was given."""
    columns = "video,prompt,name,mask,adaptor"
    rows = ("m/white.png,own", ",miniature", ",elsewhere")
    table.write_text("\n".join([columns, *(f"videos/0.mp4,x,{k},{row}" for k, row in enumerate(rows))]))
    (table.parent / "own").mkdir()
    monkeypatch.chdir(table.parent)
    items: list[Item] = []

    class Listening:
        def run(self, _function: object, given: list[str], **_: object) -> list[object]:
            items.extend(map(Item.model_validate_json, given))
            return []

    monkeypatch.setattr("frameweave.editing.many.engine_of", lambda _: Listening())
    relative = options.replaced(out=Path("runs"), cache=Path("cache"))
    edit_many(Path(table.name), relative)
    assert {item.video for item in items} == {str(table.parent / "videos" / "0.mp4")}
    first = items[0].settings
    assert first["mask"] == str(table.parent / "m" / "white.png")
    assert (first["out"], first["cache"]) == (str(table.parent / "runs" / "0"), str(table.parent / "cache"))
    assert [item.settings["adaptor"] for item in items] == [
        str(table.parent / "own"),
        "miniature",
        "elsewhere",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("video,prompt\na.mp4,\n", "line 2: no prompt"),
        ("video,prompt\n\n\na.mp4,\n", "line 4: no prompt"),
        ("prompt\na car\n", "line 2: no video"),
        ("video,prompt,sede\na.mp4,x,1\n", "did you mean seed"),
        ("video,prompt,seed\na.mp4,x,one\n", "line 2: one, expected a whole number"),
        ("video,prompt,seed\na.mp4,x,-1\n", "line 2: seed -1, expected at least 0"),
        ("video,prompt,start\na.mp4,x,soon\n", "line 2: seconds as 1.5"),
        ("video,prompt,name\na.mp4,x,../b\n", "leave out slashes"),
        ("video,prompt\na.mp4,x\na.mp4,X\n", "is there 2 times"),
        ("video,prompt\na.mp4,a red car,snow\n", "line 2: more fields than the head has; quote a prompt"),
        ("video,prompt,prompt\na.mp4,a red car,snow\n", "several columns 'prompt', expected one"),
    ],
)
def test_wrong_tables_are_told_with_the_line(
    text: str, message: str, options: EditManyOptions, tmp_path: Path
) -> None:
    file = tmp_path / "edits.csv"
    file.write_text(text)
    with pytest.raises(DataError, match=message):
        edit_many(file, options)


@pytest.mark.parametrize("suffix", [".json", ".jsonl"])
def test_cells_that_pandas_left_empty_are_empty(suffix: str, tmp_path: Path) -> None:
    empty = dict.fromkeys(("name", "source_prompt", "negative_prompt", "mask", "frames"), math.nan)
    text = json.dumps({"video": "a.mp4", "prompt": "a red car"} | empty)
    (tmp_path / f"a{suffix}").write_text(f"[{text}]" if suffix == ".json" else text)
    assert list(read_edits(tmp_path / f"a{suffix}", Line)) == [Line(video="a.mp4", prompt="a red car")]


def test_rows_of_empty_cells_are_none(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("video,prompt,name\na.mp4,a red car,x\n,,\n , ,\n")
    assert [line.name for line in read_edits(tmp_path / "a.csv", Line)] == ["x"]


def test_a_comparison_is_none_of_many(table: Path, options: EditManyOptions) -> None:
    with pytest.raises(InputError, match="--compare makes one edit by each editor"):
        edit_many(table, options.replaced(compare=True))
    with pytest.raises(InputError, match="frameweave.api.compare"):
        edit(table.parent / "videos" / "0.mp4", ["a red car"], EditOptions(compare=True))


def test_clips_as_folders_of_pictures_keep_their_whole_names(
    tmp_path: Path, options: EditManyOptions
) -> None:
    for name in ("beach.1", "beach.2"):
        (tmp_path / name).mkdir()
        Image.new("RGB", (32, 32), "red").save(tmp_path / name / "0.png")
    (tmp_path / "a.csv").write_text("video,prompt\nbeach.1,a car\nbeach.2,a car\n")
    assert edit_many(tmp_path / "a.csv", options).done == 2
    assert {path.name for path in options.out.iterdir()} == {"beach.1--a-car", "beach.2--a-car"}


def test_lines_inside_a_field_end_no_row(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(
        'video,prompt\na.mp4,"a red\ncar"\nb.mp4,"a blue\u2028car"\n', encoding="utf-8"
    )
    (tmp_path / "a.jsonl").write_text('{"video": "a.mp4", "prompt": "a\u2028car"}\n', encoding="utf-8")
    assert [row.prompt for row in read_edits(tmp_path / "a.csv", Line)] == ["a red\ncar", "a blue\u2028car"]
    assert [row.prompt for row in read_edits(tmp_path / "a.jsonl", Line)] == ["a\u2028car"]


@pytest.mark.parametrize("name", ["EDITS.JSONL", "edits.Jsonl"])
def test_the_kind_of_a_table_is_told_by_its_name_in_any_case(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text('{"video": "a.mp4", "prompt": ["a red", "car"]}\n')
    with pytest.raises(DataError, match="line 1.*prompt"):
        next(read_edits(tmp_path / name, Line))
    (tmp_path / name).write_text('{"video": "a.mp4", "prompt": "a red car"}\n')
    assert [row.prompt for row in read_edits(tmp_path / name, Line)] == ["a red car"]


def test_wrong_json_is_told_with_the_line(options: EditManyOptions, tmp_path: Path) -> None:
    file = tmp_path / "edits.jsonl"
    for text, message in (
        ('{"video": "a"', "line 1"),
        ("\n\n[1]\n", "line 3: no object"),
        (r'{"video": "a.mp4", "prompt": "a red \ud800 car"}', "line 1: .* is not UTF-8 text"),
        (r'{"video": "a\u0000.mp4", "prompt": "a red car"}', "line 1: .* is not UTF-8 text"),
    ):
        file.write_text(text)
        with pytest.raises(DataError, match=message):
            edit_many(file, options)
    with pytest.raises(DataError, match="no such file"):
        edit_many(tmp_path / "absent.csv", options)
    with pytest.raises(DataError, match="a folder, expected a csv or jsonl table"):
        edit_many(tmp_path, options)


def test_times_of_lines_may_be_written_as_people_do(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("video,prompt,start,end\na.mp4,x,1.5s,0:02\n")
    (line,) = read_edits(tmp_path / "a.csv", Line)
    assert (line.start, line.end) == (1.5, 2.0)


def test_a_drawn_seed_is_refused_for_all(tmp_path: Path) -> None:
    """The same command could not go on with it."""
    with pytest.raises(InputError, match="seed is -1, expected at least 0"):
        EditManyOptions(seed=-1)


@pytest.mark.parametrize(
    ("cell", "told"),
    [
        ('"frames": 2.9', "2.9, expected a whole number"),
        ('"frames": true', "expected a whole number"),
        ('"seed": 1.5', "expected a whole number"),
        ('"seed": "x"', "expected a whole number"),
        ('"start": true', "seconds as 1.5"),
    ],
)
def test_numbers_of_a_line_are_read_strictly(cell: str, told: str, tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text(f'{{"video": "a.mp4", "prompt": "x", {cell}}}\n')
    with pytest.raises(DataError, match=told):
        next(read_edits(file, Line))
    file.write_text('{"video": "a.mp4", "prompt": "x", "seed": "1.0", "frames": 2.0}\n')
    (line,) = read_edits(file, Line)
    assert (line.seed, line.frames) == (1, 2)


def test_a_file_that_is_replaced_counts_in_the_next_table(
    table: Path, options: EditManyOptions, tmp_path: Path
) -> None:
    """The model that stays in memory is that of the files as they are now."""
    table.write_text("video,prompt,name\nvideos/0.mp4,an ink car,one\n")
    file, results = tmp_path / "ink.safetensors", list[bytes]()
    for number in range(2):
        vectors = torch.randn(2, 16, generator=torch.Generator().manual_seed(number))
        saved({"emb_params": vectors}, file)
        out = tmp_path / f"runs-{number}"
        edit_many(table, options.replaced(embedding=(str(file),), out=out))
        results.append((out / "one" / "edited.mp4").read_bytes())
    assert results[0] != results[1]
