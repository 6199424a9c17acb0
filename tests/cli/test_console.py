"""What reaches people, and what reaches programs."""

import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from frameweave.cli import console


@pytest.fixture
def as_json() -> Iterator[None]:
    console.choose(quiet=False, json_lines=True)
    yield
    console.choose(quiet=False, json_lines=False)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        ({}, ""),
        ([], ""),
        ((), ""),
        (0, "0"),
        (False, "no"),
        (12.3456789, "12.3457"),
        ([Path("a.mp4"), "b c"], "a.mp4, b c"),
        ({"tokenflow": None, "vidtome": {"warp": 0.5}}, "vidtome warp 0.5"),
    ],
)
def test_values_are_said_in_words(value: object, text: str) -> None:
    assert console.in_words(value) == text


def test_a_result_leaves_out_what_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    console.result(done=2, failed={}, cost=None, videos=["a.mp4", "b.mp4"])
    assert capsys.readouterr().out == "done: 2\nvideos: a.mp4, b.mp4\n"


def test_programs_get_all_of_it(capsys: pytest.CaptureFixture[str], as_json: None) -> None:
    console.result(done=2, failed={}, cost=None)
    found = json.loads(capsys.readouterr().out)
    assert found == {"event": "result", "done": 2, "failed": {}, "cost": None}


def test_an_error_for_programs(capsys: pytest.CaptureFixture[str], as_json: None) -> None:
    console.failure("a\x1b.mp4: no such file", hint="check the path", exit_code=2)
    found = capsys.readouterr()
    assert json.loads(found.out) == {
        "event": "error",
        "error": "a\x1b.mp4: no such file",
        "hint": "check the path",
        "exit_code": 2,
    }
    assert found.err == ""


def test_no_text_steers_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    bad = "\x1b]0;owned\x07 \x9b31m.mp4"
    console.failure(f"{bad}\nno such file", hint="", exit_code=2)
    console.result(video=bad)
    console.Lines().note(bad)
    console.Bars().note(bad)
    console.err.print(f"[bold]{bad}")
    list(console.Lines().track([1], bad))
    found = "".join(capsys.readouterr())
    assert not set(found) & set("\x1b\x07\x9b")
    assert found.splitlines()[1].startswith(r"frameweave: \x1b]0;owned\x07 \x9b31m.mp4\nno such file")


def test_no_description_of_a_bar_steers_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.StringIO()
    terminal = console._Terminal(file=written, force_terminal=True, width=200, color_system=None)
    monkeypatch.setattr(console, "err", terminal)
    list(console.Bars().track([1], "reading [bold]\x1b]0;owned\x07.mp4"))
    assert r"reading [bold]\x1b]0;owned\x07.mp4" in written.getvalue()
    assert "\x1b]" not in written.getvalue()


def test_what_people_write_makes_no_pictures(capsys: pytest.CaptureFixture[str]) -> None:
    console.result(prompt="<lora:x:0.5> [b]bold[/b]")
    console.failure("a :heart: of (gold:1.2)", hint="", exit_code=2)
    told = capsys.readouterr()
    assert told.out == "prompt: <lora:x:0.5> [b]bold[/b]\n"
    assert told.err == "frameweave: a :heart: of (gold:1.2)\n"
