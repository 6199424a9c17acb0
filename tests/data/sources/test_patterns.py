"""Patterns that name several files."""

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from frameweave.data.sources.patterns import expanded, matches
from frameweave.errors import DataError


def test_braces_and_stars(tmp_path: Path) -> None:
    for name in ("a-00.tar", "a-01.tar", "a-02.tar", "b-00.tar"):
        (tmp_path / name).touch()

    def named(pattern: str) -> list[str]:
        return [path.name for path in matches(f"{tmp_path}/{pattern}")]

    assert named("a-{00..02}.tar") == ["a-00.tar", "a-01.tar", "a-02.tar"]
    assert named("{b,a}-*.tar") == ["b-00.tar", "a-00.tar", "a-01.tar", "a-02.tar"]
    assert named("?-00.tar") == ["a-00.tar", "b-00.tar"]
    assert named("a-0[12].tar") == ["a-01.tar", "a-02.tar"]
    assert named("c*") == named("absent.tar") == []
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "c.tar").touch()
    assert named("*/c.tar") == ["c.tar"]
    with pytest.raises(DataError, match=r"a-03\.tar: no such file"):
        named("a-{02..03}.tar")
    (tmp_path / "[x]{1,2}.tar").touch()
    assert named("[x]{1,2}.tar") == ["[x]{1,2}.tar"]


def test_numbers_keep_their_width_and_their_order() -> None:
    assert list(expanded("{a,b}{8..10}")) == ["a8", "a9", "a10", "b8", "b9", "b10"]
    assert list(expanded("{008..010}")) == ["008", "009", "010"]
    assert list(expanded("{}{x}")) == ["{}{x}"]
    assert list(expanded("{3..1}")) == []


@pytest.mark.parametrize("pattern", ["{0..999999999}", "{0..999}{0..999}", "{a,b}" * 2000])
def test_very_many_files_are_refused(pattern: str) -> None:
    with pytest.raises(DataError, match="more than 100,000 files"):
        expanded(pattern)


@settings(deadline=None, max_examples=300, derandomize=True)
@given(
    parts=st.lists(
        st.sampled_from([*"ab{},*?[]!-\0\ud800", "{0..3}", "{9..1}", "{,}", "**", "x" * 300]), max_size=9
    )
)
def test_any_text_names_what_is_there_or_nothing(
    parts: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.getbasetemp()
    with suppress(DataError):
        assert all(path.exists() for path in matches(f"{folder}/{''.join(parts)}"))
