"""Times as people write them."""

import pytest

from frameweave.editing.options import EditOptions
from frameweave.errors import InputError
from frameweave.runs.times import seconds


@pytest.mark.parametrize(
    ("text", "expected"),
    [("4", 4), ("4s", 4), (".5", 0.5), ("0:07", 7), ("10:00.25", 600.25), ("2:00:00", 7200), (" 3 ", 3)],
)
def test_seconds(text: str, expected: float) -> None:
    assert seconds(text) == expected
    assert EditOptions(start=text).start == expected


@pytest.mark.parametrize("text", ["", "s", "four", "-1", "1:", "1:2:3:4", "1e3", "nan"])
def test_other_words_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="expected seconds as"):
        EditOptions(end=text)
