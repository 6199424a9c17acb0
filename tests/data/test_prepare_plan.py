"""Plans of a folder: which are gone on with, which refused, and what `overwrite` leaves alone."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from frameweave.data import prepare_plan
from frameweave.data.captions.prompts_file import write_prompts
from frameweave.data.options import PrepareOptions
from frameweave.data.plan import PLAN
from frameweave.data.prepare_plan import plan_of
from frameweave.errors import DataError, RunError
from frameweave.progress import SILENT, Notes


def named_clips(folder: Path, count: int) -> Path:
    """Captions, and videos that are there and that no planning opens."""
    folder.mkdir()
    for k in range(count):
        (folder / f"clip{k}.mp4").touch()
        (folder / f"clip{k}.txt").write_text(f"number {k}\n")
    return folder


PROMPT = {"source": "number 3", "prompt": "number 4", "kind": "object", "changed": ["3", "4"], "by": "rules"}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return named_clips(tmp_path / "videos", 5)


@pytest.fixture
def options(tmp_path: Path) -> PrepareOptions:
    return PrepareOptions(out=tmp_path / "shards", clips_per_shard=2)


def planned(source: Path | str, options: PrepareOptions) -> list[str]:
    """The ids of the planned clips."""
    return [clip.id for shard in plan_of(str(source), options, SILENT).shards() for clip in shard.clips]


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"limit": 2}, r"limit = None \(now 2\)"),
        ({"subset": 2}, r"subset = None \(now 2\)"),
        ({"split": "train"}, r"split =  \(now train\)"),
        ({"layout": "folder"}, r"layout = auto \(now folder\)"),
        ({"clips_per_shard": 3}, r"clips_per_shard = 2 \(now 3\)"),
        ({"size": 64}, r"size = 512 \(now 64\)"),
    ],
)
def test_another_choice_of_clips_is_refused(
    other: dict[str, Any], message: str, source: Path, options: PrepareOptions
) -> None:
    assert planned(source, options) == [f"clip{k}" for k in range(5)]
    for mode in ("resume", "retry-failed"):
        with pytest.raises(RunError, match=f"prepared with {message}"):
            planned(source, options.replaced(mode=mode, **other))


def test_another_source_is_refused_and_may_extend(
    source: Path, options: PrepareOptions, tmp_path: Path
) -> None:
    planned(source, options)
    for other in (named_clips(tmp_path / "more", 7), tmp_path / "absent"):
        with pytest.raises(RunError, match=rf"source = .*videos \(now .*{other.name}\)"):
            planned(other, options)
    assert planned(tmp_path / "more", options.replaced(mode="extend")) == [f"clip{k}" for k in range(7)]


def test_other_prompts_are_refused_by_what_is_in_the_file(
    source: Path, options: PrepareOptions, tmp_path: Path
) -> None:
    with_prompts = options.replaced(prompts=tmp_path / "prompts.jsonl")
    write_prompts(tmp_path / "prompts.jsonl", [])
    planned(source, with_prompts)
    write_prompts(tmp_path / "copy.jsonl", [])
    assert planned(source, options.replaced(prompts=tmp_path / "copy.jsonl"))
    with pytest.raises(RunError, match="prepared with prompts = "):
        planned(source, options)
    with pytest.raises(DataError, match="No such file"):
        planned(source, options.replaced(prompts=tmp_path / "absent.jsonl"))


def test_a_plan_of_an_earlier_version_is_gone_on_with(source: Path, options: PrepareOptions) -> None:
    """It kept the source alone, as it had been typed."""
    planned(source, options)
    header, *lines = (options.out / PLAN).read_text().splitlines(keepends=True)
    kept = {name: value for name, value in json.loads(header).items() if name in ("format", "settings")}
    (options.out / PLAN).write_text(json.dumps(kept | {"source": "videos"}) + "\n" + "".join(lines))
    assert len(planned(source, options.replaced(limit=2))) == 5


def test_a_plan_can_be_worked_on_from_any_folder(
    source: Path, options: PrepareOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "link").symlink_to(source)
    monkeypatch.chdir(tmp_path)
    clips = [clip for shard in plan_of("link", options, SILENT).shards() for clip in shard.clips]
    assert [clip.path for clip in clips] == [str(tmp_path / "link" / f"clip{k}.mp4") for k in range(5)]
    monkeypatch.chdir("/")
    assert planned(tmp_path / "link", options) == [f"clip{k}" for k in range(5)]
    with pytest.raises(RunError, match="source = "):
        planned("link", options)


@pytest.mark.parametrize("mode", ["resume", "overwrite", "extend"])
def test_what_a_killed_writer_left_is_no_data_set_of_others(
    mode: Any, source: Path, options: PrepareOptions
) -> None:
    """The stage of a plan; another job may be writing it at this moment."""
    options.out.mkdir()
    old, new = (options.out / f".{name}-{PLAN}" for name in ("0123abcd", "4567cdef"))
    for stage in (old, new):
        stage.write_text('{"format"')
    os.utime(old, (0, 0))
    assert len(planned(source, options.replaced(mode=mode))) == 5
    assert not old.exists() and new.exists()


def test_a_plan_that_another_job_wrote_in_the_meantime_is_taken(
    source: Path, options: PrepareOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned(source, options)
    plan = (options.out / PLAN).read_text()
    (options.out / PLAN).unlink()

    def looked(folder: Path) -> bool:
        (folder / PLAN).write_text(plan)
        return True

    options.out.mkdir(exist_ok=True)
    monkeypatch.setattr(prepare_plan, "holds_more_than_stages", looked)
    assert len(planned(source, options)) == 5


def test_overwrite_removes_the_data_set_and_nothing_else(source: Path, options: PrepareOptions) -> None:
    planned(source, options)
    own = [
        *(f"all-000002.{suffix}" for suffix in ("tar", "json", "jsonl", "0a1b2c3d4e5f.safetensors")),
        *("index.json", "skipped.jsonl", ".0a1b2c3d-all-000002.tar", ".0a1b2c3d-index.json"),
        ".0a1b2c3d-plan.jsonl",
    ]
    others = ["thesis.txt", "all-000009.tar", "all-000002.png", "train.json", ".0a1b2c3d-thesis.txt"]
    for name in own + others:
        (options.out / name).touch()
    assert planned(source, options.replaced(mode="overwrite", limit=2)) == ["clip0", "clip1"]
    assert sorted(path.name for path in options.out.iterdir()) == sorted([PLAN, *others])


def test_overwrite_loses_nothing_to_a_wrong_source(
    source: Path, options: PrepareOptions, tmp_path: Path
) -> None:
    planned(source, options)
    (options.out / "all-000000.tar").touch()
    (tmp_path / "empty").mkdir()
    for wrong in ("absent", "empty"):
        with pytest.raises(DataError):
            planned(tmp_path / wrong, options.replaced(mode="overwrite"))
    assert (options.out / "all-000000.tar").exists() and len(planned(source, options)) == 5


@pytest.mark.parametrize("content", ["{}", "[]", '{"format": 1}', "no JSON", '{"settings": {}}'])
def test_an_index_of_others_is_no_data_set(content: str, source: Path, options: PrepareOptions) -> None:
    options.out.mkdir()
    for name in ("index.json", "all-000000.tar"):
        (options.out / name).write_text(content)
    for mode in ("resume", "overwrite"):
        with pytest.raises(RunError, match="not empty, and no data set"):
            planned(source, options.replaced(mode=mode))
    assert (options.out / "index.json").read_text() == content


def test_a_source_that_has_changed_is_told(source: Path, options: PrepareOptions) -> None:
    def told(mode: str) -> list[str]:
        notes = Notes()
        plan_of(str(source), options.replaced(mode=mode), notes)
        return [note for note in notes.texts if "since this data set was planned" in note]

    planned(source, options)
    assert told("resume") == told("extend") == []
    (source / "clip0.txt").write_text("corrected\n")
    later = (options.out / PLAN).stat().st_mtime + 10
    os.utime(source / "clip1.mp4", (later, later))
    (source / "clip2.mp4").unlink()
    (source / "new.mp4").touch()
    (source / "new.txt").write_text("a new one\n")
    (note,) = told("resume")
    assert "2 differ, 1 are new, 1 are gone; it stays as it was planned" in note
    (note,) = told("extend")
    assert "2 differ, 1 are gone" in note


def test_clips_without_prompts_are_told(source: Path, options: PrepareOptions, tmp_path: Path) -> None:
    names, file = [f"clip{k}" for k in range(5)], tmp_path / "prompts.jsonl"
    clips = [{"id": name, "prompts": [PROMPT]} for name in (names[0], "gone")]
    file.write_text("".join(json.dumps(clip) + "\n" for clip in clips))
    notes = Notes()
    plan_of(str(source), options.replaced(prompts=file), notes)
    assert f"no prompts for 4 of the clips, such as {names[1]!r}; 1 of its clips" in notes.texts[-1]


def test_prompts_that_fit_no_clip_are_refused(source: Path, options: PrepareOptions, tmp_path: Path) -> None:
    file = tmp_path / "prompts.jsonl"
    file.write_text(json.dumps({"id": "clip0.mp4", "prompts": [PROMPT]}) + "\n")
    with pytest.raises(DataError, match="prompts for 'clip0.mp4' and others, but clips are called"):
        planned(source, options.replaced(prompts=file))


def test_an_archive_that_has_changed_is_known(tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(b"x")
    moment = (tmp_path / "a.tar").stat().st_mtime
    assert not prepare_plan._changed_since(f"{tmp_path}/a.tar!b.mp4", moment)
    assert prepare_plan._changed_since(f"{tmp_path}/a.tar!b.mp4", moment - 1)
    assert prepare_plan._changed_since(str(tmp_path), moment - 1)
    assert not prepare_plan._changed_since(str(tmp_path / "gone.mp4"), 0)


@pytest.mark.parametrize("mode", ["resume", "retry-failed", "extend"])
def test_two_depth_estimators_are_not_mixed(
    mode: Any, source: Path, options: PrepareOptions, tmp_path: Path
) -> None:
    estimator = tmp_path / "depth"
    estimator.mkdir()
    (estimator / "config.json").write_text("{}")
    options = options.replaced(depth_model=str(estimator), mode=mode)
    planned(source, options)
    (estimator / "notes.txt").write_text("nothing that acts")
    planned(source, options)
    (estimator / "model.safetensors").write_bytes(b"weights")
    with pytest.raises(RunError, match="the depth estimator has changed since"):
        planned(source, options)
    planned(source, options.replaced(mode="overwrite"))
