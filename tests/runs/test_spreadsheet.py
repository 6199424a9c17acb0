"""Tables for spreadsheets: nothing that somebody else wrote is computed, and nothing is lost."""

import csv
import io

import pytest

from frameweave.runs.spreadsheet import comma_separated


def read(table: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(table, newline="")))


@pytest.mark.parametrize(
    "text",
    [
        '=HYPERLINK("http://x")', "+1+1", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "  =1", "\u00a0=1",
        "\ufeff=1", "\u200b=1", "\x00=1", "＝1", "＋1", "－1", "＠x", "-",
    ],
)  # fmt: skip
def test_what_a_spreadsheet_would_compute_is_shown(text: str) -> None:
    assert read(comma_separated([text], [[text]])) == [[f"'{text}"], [f"'{text}"]]


@pytest.mark.parametrize(
    "text", ["a red car", "1 = 1", "a-b", "x@y.org", "'quoted'", "", "é", "#7", "a, b\nc", "a\rb"]
)
def test_other_texts_stay_as_they_are(text: str) -> None:
    assert read(comma_separated(["head"], [[text]])) == [["head"], [text]]


def test_numbers_are_numbers_in_full() -> None:
    assert comma_separated(["a", "b", "c"], [[-0.1 - 0.2, -3, None]]) == "a,b,c\n-0.30000000000000004,-3,\n"
