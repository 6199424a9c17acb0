"""Prompts on the disk."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from frameweave.data.captions.edit_prompt import ClipPrompts
from frameweave.data.captions.prompts_file import read_prompts, write_prompts
from frameweave.data.captions.rules import Rules
from frameweave.errors import DataError

CLIPS = [
    ClipPrompts(id="视频 1", prompts=Rules().prompts(["ein Käfer \u05d0 {x}"], clip="a"), fallback="refused"),
    ClipPrompts(id="b", prompts=()),
]


def test_what_is_written_is_read(tmp_path: Path) -> None:
    write_prompts(tmp_path / "a.jsonl", CLIPS)
    assert list(read_prompts(tmp_path / "a.jsonl")) == CLIPS
    assert (tmp_path / "a.jsonl").read_bytes().count(b"\n") == 2


def test_it_is_whole_or_not_there(tmp_path: Path) -> None:
    def broken() -> Iterator[ClipPrompts]:
        yield CLIPS[0]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_prompts(tmp_path / "a.jsonl", broken())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "line", [b"{", b"[]", b"\xff", b'{"id": "a"}', b'{"id": "a", "prompts": [{}]}', b"[" * 100_000]
)
def test_a_wrong_line_is_named(tmp_path: Path, line: bytes) -> None:
    write_prompts(tmp_path / "a.jsonl", CLIPS)
    with (tmp_path / "a.jsonl").open("ab") as file:
        file.write(line)
    with pytest.raises(DataError, match="a.jsonl, line 3: "):
        list(read_prompts(tmp_path / "a.jsonl"))


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="No such file.*frameweave data caption"):
        list(read_prompts(tmp_path / "a.jsonl"))
