"""What no file can hold, and what no terminal may obey."""

import unicodedata

import pytest

from frameweave.runs.text import printable, unwritable


@pytest.mark.parametrize("bad", ["\udcff.mp4", "a\0b", "\ud800"])
def test_what_no_file_can_hold_is_found_wherever_it_lies(bad: str) -> None:
    for value in (bad, [bad], {"a": ("x", [bad])}, {bad: 1}):
        assert unwritable(value) == bad


def test_all_other_text_can_be_written() -> None:
    assert unwritable({"ä": ["日本 🦆", 3, None, "\x1b\n"], "b": {"c": 1.5}}) == ""


def test_nothing_that_is_printed_steers_a_terminal() -> None:
    everything = "".join(map(chr, range(0x3000))) + "\udcff\ud800"
    shown = printable(everything)
    assert {c for c in shown if unicodedata.category(c) in ("Cc", "Cs")} == {"\t", "\n"}
    assert not set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u2028") & set(shown)
    shown.encode()
    assert printable("\x1b]0;x\x07\x9b") == r"\x1b]0;x\x07\x9b"
    assert printable("Ärger, 日本 🦆\tok\n") == "Ärger, 日本 🦆\tok\n"
