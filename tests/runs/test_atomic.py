"""Atomic writing: whole or not there, also under kills and full disks."""

import errno
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from frameweave.runs.atomic import (
    MANIFEST,
    clear_stale,
    holds_more_than_stages,
    sha256,
    stage_of,
    staged,
    verify,
)


def test_a_file_appears_whole(tmp_path: Path) -> None:
    target = tmp_path / "new" / "a.txt"
    with staged(target) as stage:
        stage.write_text("whole")
        assert not target.exists()
        assert stage.suffix == ".txt"
    assert target.read_text() == "whole"
    assert list(target.parent.iterdir()) == [target]


def test_who_may_read_other_files_may_read_this(tmp_path: Path) -> None:
    (tmp_path / "other").write_text("x")
    usual = (tmp_path / "other").stat().st_mode
    with staged(tmp_path / "file") as stage:
        save_file({"a": torch.zeros(2)}, stage)
    with staged(tmp_path / "folder") as stage:
        stage.mkdir()
        save_file({"a": torch.zeros(2)}, stage / "member")
    assert [path.stat().st_mode for path in (tmp_path / "file", tmp_path / "folder/member")] == [usual] * 2


def test_a_folder_gets_a_manifest_that_finds_changes(tmp_path: Path) -> None:
    target = tmp_path / "model"
    for content in ("first", "second"):
        with staged(target) as stage:
            (stage / "sub").mkdir(parents=True)
            (stage / "sub" / "a.txt").write_text(content)
    assert (target / "sub" / "a.txt").read_text() == "second"
    assert verify(target) == []
    (target / "sub" / "a.txt").write_text("changed")
    assert verify(target) == ["sub/a.txt has changed"]
    (target / "sub" / "a.txt").unlink()
    assert verify(target) == ["sub/a.txt is missing"]
    (target / MANIFEST).unlink()
    assert verify(target) == ["manifest.json is missing"]
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError, SystemExit])
def test_a_failure_leaves_what_was_there(tmp_path: Path, error: type[BaseException]) -> None:
    target = tmp_path / "a.txt"
    target.write_text("earlier")
    with pytest.raises(error), staged(target) as stage:
        stage.write_text("half")
        raise error
    assert target.read_text() == "earlier"
    assert list(tmp_path.iterdir()) == [target]


def test_a_full_disk_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "a.txt"
    target.write_text("earlier")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("frameweave.runs.atomic.os.fsync", full)
    with pytest.raises(OSError, match="No space left"), staged(target) as stage:
        stage.write_text("new")
    assert target.read_text() == "earlier"
    assert list(tmp_path.iterdir()) == [target]


def test_stages_are_told_from_other_files(tmp_path: Path) -> None:
    with staged(tmp_path / "a.txt") as stage:
        stage.touch()
        assert stage_of(stage) == "a.txt" and not holds_more_than_stages(tmp_path)
    for name in ("a.txt", ".hidden", ".0123456-a", ".0123ABCD-a", "0123abcd-a", ".0123abcd-"):
        assert stage_of(tmp_path / name) is None
    assert holds_more_than_stages(tmp_path)


def test_only_stages_in_which_nobody_writes_any_more_are_removed(tmp_path: Path) -> None:
    stale, busy = ".00000001-file", ".00000002-folder"
    kept = [busy, ".00000003-file", ".hidden", "a.txt"]
    stale_folder = tmp_path / ".00000004-folder"
    for folder in (stale_folder, tmp_path / busy):
        folder.mkdir()
        (folder / "member").touch()
    for name in (stale, *kept[1:]):
        (tmp_path / name).touch()
    # a folder's own time stays as it is while its members are written
    for path in (
        tmp_path / stale,
        stale_folder / "member",
        stale_folder,
        tmp_path / busy,
        tmp_path / "a.txt",
    ):
        os.utime(path, (0, 0))
    os.utime(tmp_path / ".hidden", (0, 0))
    clear_stale(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(kept)
    clear_stale(tmp_path / "absent")


def test_sha256_of_known_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert sha256(tmp_path / "a") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_a_replaced_folder_keeps_what_others_put_there(tmp_path: Path) -> None:
    target = tmp_path / "made"
    for content in ("first", "second"):
        with staged(target) as stage:
            (stage / "sub").mkdir(parents=True)
            (stage / "sub" / content).write_text(content)
        (target / "notes.txt").write_text("mine")
        (target / "sub" / "link").unlink(missing_ok=True)
        (target / "sub" / "link").symlink_to("elsewhere")
    assert verify(target) == []
    names = sorted(path.relative_to(target).as_posix() for path in target.rglob("*"))
    assert names == [MANIFEST, "notes.txt", "sub", "sub/link", "sub/second"]
    assert [path.name for path in tmp_path.iterdir()] == ["made"]


def test_a_link_s_target_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    (tmp_path / "link").symlink_to("far")
    for text in ("one", "two"):
        with staged(tmp_path / "link") as stage:
            stage.mkdir()
            (stage / "a").write_text(text)
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "far" / "a").read_text() == "two"


@pytest.mark.parametrize("text", ["[]", "3", '{"a": 3}', "[" * 100_000, "{"])
def test_a_manifest_of_another_shape_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / MANIFEST).write_text(text)
    assert verify(tmp_path) == [f"{MANIFEST} is damaged"]


_WRITER = """
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from frameweave.runs.atomic import staged
for number in range(100_000):
    with staged(Path(sys.argv[1])) as stage:
        stage.write_text(str(number) * 20_000)
"""


def test_kills_never_leave_a_torn_file(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    for attempt in range(5):
        process = subprocess.Popen([sys.executable, "-c", _WRITER, str(target)])
        while not target.exists():
            time.sleep(0.01)
        time.sleep(0.05 + 0.013 * attempt)
        process.send_signal(signal.SIGKILL)
        process.wait()
        text = target.read_text()
        number = text[: len(text) // 20_000]
        assert text == number * 20_000


def test_a_full_disk_is_told_with_the_path(tmp_path: Path) -> None:
    """`write` names no file, and a stage's name says nothing to anybody."""
    for given in (None, "stage"):
        with pytest.raises(OSError) as found, staged(tmp_path / "edited.mp4") as stage:
            raise OSError(errno.ENOSPC, "No space left on device", str(stage) if given else None)
        assert found.value.filename == str(tmp_path / "edited.mp4")
    with pytest.raises(OSError) as found, staged(tmp_path / "edited.mp4"):
        raise OSError(errno.ENOENT, "No such file or directory", "source.mp4")
    assert found.value.filename == "source.mp4"


def _write(target: Path, *, first_stays: bool = False) -> None:
    with staged(target, first_stays=first_stays) as stage:
        stage.mkdir()
        (stage / "a.txt").write_text("content")


def test_where_the_first_stays_a_reader_is_not_disturbed(tmp_path: Path) -> None:
    target = tmp_path / "cell"
    with staged(target, first_stays=True) as stage:
        stage.mkdir()
        (stage / "a.txt").write_text("content")
        _write(target, first_stays=True)  # another process was faster
        first = (target / "a.txt").stat().st_ino
    assert (target / "a.txt").stat().st_ino == first
    assert list(tmp_path.iterdir()) == [target]
    (target / "a.txt").write_text("damaged")
    _write(target, first_stays=True)
    assert verify(target) == []


def test_many_may_write_one_folder_at_once(tmp_path: Path) -> None:
    target = tmp_path / "cell"
    with ThreadPoolExecutor(8) as pool:
        for written in [pool.submit(_write, target, first_stays=True) for _ in range(64)]:
            written.result()
            assert verify(target) == []
    assert list(tmp_path.iterdir()) == [target]
