"""The cache: appended to, shared, torn, and full of rubbish."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from frameweave.data.captions.cache import FILE, Answer, Cache
from frameweave.data.captions.edit_prompt import EditPrompt
from frameweave.errors import RunError

EDIT = EditPrompt(
    source="ein Käfer", prompt="ein Hase", kind="object", changed=("Käfer", "Hase"), by="m (prompt 1)"
)
FOUND, REFUSED = Answer(edits=(EDIT,)), Answer(failed="refused")


def test_answers_come_back_in_this_and_a_later_run(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "new" / "folder")
    cache.make_ready()
    assert cache.get("a") is None
    cache.put("a", FOUND)
    cache.put("b", REFUSED)
    for again in (cache, Cache(tmp_path / "new" / "folder")):
        assert (again.get("a"), again.get("b"), again.get("c")) == (FOUND, REFUSED, None)


def test_a_kept_failure_does_not_settle_a_question_that_is_asked_again(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    cache.put("a", REFUSED)
    assert cache.get("a") == REFUSED
    assert cache.get("a", retry_failed=True) is None
    cache.put("a", FOUND)
    assert cache.get("a", retry_failed=True) == FOUND


def test_each_sees_what_another_writes(tmp_path: Path) -> None:
    one, other = Cache(tmp_path), Cache(tmp_path)
    assert one.get("a") is other.get("a") is None
    one.put("a", FOUND)
    assert other.get("a") == FOUND


def test_it_only_grows(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    before = b""
    for key in "abca":
        cache.put(key, FOUND)
        now = (tmp_path / FILE).read_bytes()
        assert now.startswith(before) and len(now) > len(before)
        before = now
    assert before.count(b"\n") == 4


def test_a_line_torn_anywhere_is_passed_over_and_written_over(tmp_path: Path) -> None:
    whole = Cache(tmp_path / "whole")
    whole.make_ready()
    whole.put("a", FOUND)
    first = (tmp_path / "whole" / FILE).read_bytes()
    whole.put("b", REFUSED)
    both = (tmp_path / "whole" / FILE).read_bytes()
    for cut in range(len(first), len(both)):
        folder = tmp_path / str(cut)
        folder.mkdir()
        (folder / FILE).write_bytes(both[:cut])
        torn = Cache(folder)
        assert (torn.get("a"), torn.get("b")) == (FOUND, None)
        torn.put("b", REFUSED)
        assert (folder / FILE).read_bytes() == both
        assert (torn.get("a"), torn.get("b")) == (FOUND, REFUSED)


def test_a_long_torn_line(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"x" * 3_000_000)
    cache = Cache(tmp_path)
    assert cache.get("a") is None
    cache.put("a", FOUND)
    assert cache.get("a") == Cache(tmp_path).get("a") == FOUND
    assert (tmp_path / FILE).stat().st_size < 1000


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\xff\xfe",
        b"null",
        b"[]",
        b'{"key": "a"}',
        b'{"key": 1, "edits": [], "failed": "refused"}',
        b'{"key": "a", "edits": [], "failed": ""}',
        b'{"key": "a", "edits": [], "failed": "bored"}',
        b'{"key": "a", "edits": 5, "failed": ""}',
        b'{"key": "a", "edits": {"a": 1}, "failed": ""}',
        b'{"key": "a", "edits": [{}], "failed": ""}',
        b'{"key": "a", "edits": [], "failed": {}}',
        b"[" * 100_000,
        b"9" * 10_000,
    ],
)
def test_lines_that_are_no_answers_are_passed_over(tmp_path: Path, line: bytes) -> None:
    Cache(tmp_path).put("b", FOUND)
    with (tmp_path / FILE).open("ab") as file:
        file.write(line + b"\n")
    cache = Cache(tmp_path)
    cache.put("c", FOUND)
    assert (cache.get("a"), cache.get("b"), cache.get("c")) == (None, FOUND, FOUND)


@settings(deadline=None, derandomize=True, max_examples=150)
@given(
    st.lists(
        st.binary(max_size=60) | st.sampled_from([b"\n", b'{"key": "a", ', b'"edits": [', b"]}"]), max_size=8
    )
)
def test_any_bytes(tmp_path_factory: pytest.TempPathFactory, pieces: list[bytes]) -> None:
    folder = tmp_path_factory.mktemp("cache")
    (folder / FILE).write_bytes(b"".join(pieces))
    cache = Cache(folder)
    assert cache.get("a") is None
    cache.put("a", FOUND)
    assert cache.get("a") == Cache(folder).get("a") == FOUND


def test_several_processes_append_whole_lines(tmp_path: Path) -> None:
    program = """
import sys
from pathlib import Path
from frameweave.data.captions.cache import Answer, Cache
cache = Cache(Path(sys.argv[1]))
for number in range(40):
    cache.put(f"{sys.argv[2]}-{number}", Answer(failed="refused"))
"""
    environment = os.environ | {"PYTHONPATH": ":".join(sys.path)}
    running = [
        subprocess.Popen([sys.executable, "-c", program, str(tmp_path), str(n)], env=environment)
        for n in range(4)
    ]
    assert [process.wait() for process in running] == [0] * 4
    cache = Cache(tmp_path)
    assert all(cache.get(f"{n}-{number}") == REFUSED for n in range(4) for number in range(40))
    assert (tmp_path / FILE).read_bytes().count(b"\n") == 160


def test_nothing_is_made_before_it_is_needed(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "a")
    assert cache.get("a") is None
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_kept_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RunError, match="cannot be kept"):
        Cache(Path(os.devnull) / "a").make_ready()
    with pytest.raises(RunError, match="cannot be kept .*No such file"):
        Cache(tmp_path / "vanished").put("a", FOUND)

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("frameweave.data.captions.cache.os.fsync", full)
    with pytest.raises(RunError, match="No space left.*--cache"):
        Cache(tmp_path).put("a", FOUND)
