"""Times as people write them."""

import pytest

from frameweave.cli.times import seconds, with_range
from frameweave.errors import InputError


@pytest.mark.parametrize(
    ("text", "expected"),
    [("4", 4), ("4s", 4), (".5", 0.5), ("0:07", 7), ("10:00.25", 600.25), ("2:00:00", 7200), (" 3 ", 3)],
)
def test_seconds(text: str, expected: float) -> None:
    assert seconds(text) == expected


@pytest.mark.parametrize("text", ["", "s", "four", "-1", "1:", "1:2:3:4", "1e3", "nan"])
def test_other_words_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="write seconds as"):
        seconds(text)


def test_the_range_of_a_command_line() -> None:
    assert with_range(("edit", "--start", "1", "--end=2s", "--steps", "3")) == [
        "edit",
        "--start=1.0",
        "--end=2.0",
        "--steps",
        "3",
    ]
    with pytest.raises(InputError, match="--to without a time"):
        with_range(("edit", "--to"))
