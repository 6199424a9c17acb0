"""What an input is: its content, taken anew whenever the first look finds a change."""

import hashlib
import json
import os
from pathlib import Path

import pytest

from frameweave.errors import InputError
from frameweave.runs import identity
from frameweave.runs.atomic import sha256
from frameweave.runs.identity import Input, check_apart, contents, digest


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FRAMEWEAVE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(identity, "_seen", {})
    return tmp_path / "cache"


def test_contents_are_of_names_and_bytes(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / name / "sub").mkdir(parents=True)
        (tmp_path / name / "sub" / "x").write_bytes(b"abc")
    (tmp_path / "c" / "sub" / "x").rename(tmp_path / "c" / "sub" / "y")
    first, same, renamed = (contents(tmp_path / name) for name in ("a", "b", "c"))
    assert first == same != renamed
    (tmp_path / "b" / "sub" / "x").write_bytes(b"abd")
    assert contents(tmp_path / "b") != first
    assert contents(tmp_path / "b", []) == contents(tmp_path / "c", [])  # only the members given
    assert contents(tmp_path / "a" / "sub" / "x") == sha256(tmp_path / "a" / "sub" / "x")


def test_another_content_of_the_same_size_and_time_is_found(tmp_path: Path) -> None:
    """As `touch -r` and `cp -p` leave it: the entry's own time cannot be set back."""
    file = tmp_path / "a"
    file.write_bytes(b"abc")
    before, found = file.stat(), digest(file)
    file.write_bytes(b"abd")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert found == hashlib.sha256(b"abc").hexdigest()
    assert digest(file) == hashlib.sha256(b"abd").hexdigest()


def test_a_large_file_is_hashed_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own_cache: Path
) -> None:
    monkeypatch.setattr(identity, "_LARGE", 2)
    monkeypatch.setattr(identity, "_FRESH", -(10**18))  # the file was written just now
    hashed: list[Path] = []

    def counting(path: Path) -> str:
        hashed.append(path)
        return sha256(path)

    monkeypatch.setattr(identity, "sha256", counting)
    file = tmp_path / "a"
    file.write_bytes(b"abc")
    for _ in range(2):
        assert digest(file) == sha256(file)
        identity._seen.clear()  # as in another process
    assert len(hashed) == 1
    file.write_bytes(b"abd")
    assert digest(file) == sha256(file)
    assert len(hashed) == 2
    (kept,) = own_cache.glob("digests/*.json")
    for text in ("[", "{}", "[3]", json.dumps([[1, 2, 3, 4], 5])):
        kept.write_text(text)
        identity._seen.clear()
        assert digest(file) == sha256(file)


def test_a_file_written_just_now_is_hashed_again(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"abc")
    digest(file)
    assert not identity._seen


def test_a_cache_that_cannot_be_written_is_no_hindrance(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cache").write_text("a file in the way")
    monkeypatch.setattr(identity, "_LARGE", 0)
    monkeypatch.setattr(identity, "_FRESH", -(10**18))
    (tmp_path / "a").write_bytes(b"abc")
    assert digest(tmp_path / "a") == sha256(tmp_path / "a")


def test_no_input_lies_in_the_run_folder(tmp_path: Path) -> None:
    out = tmp_path / "run"
    (out / "sub").mkdir(parents=True)
    (out / "sub" / "mask.png").touch()
    (tmp_path / "link").symlink_to(out)
    for place in (out, tmp_path / "link", tmp_path / "run" / "sub" / ".."):
        with pytest.raises(InputError, match="mask.png: lies in the run folder"):
            check_apart([Input.of("mask", out / "sub" / "mask.png")], place)
        with pytest.raises(InputError, match="given both as the video and as --out"):
            check_apart([Input.of("video", out)], place)
    check_apart([Input.of("video", tmp_path), Input("model", None, "a/b")], out)  # a run may lie in an input
