"""What counts as a sound edit prompt, and its way to JSON and back."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from frameweave.data.captions.edit_prompt import (
    PROMPT_LIMIT,
    SOURCE_LIMIT,
    ClipPrompts,
    EditPrompt,
    fault_of,
    keeps_enough,
    sources_of,
)

SOUND = EditPrompt(
    source="a man drives a red car",
    prompt="a man drives a blue car",
    kind="colour",
    changed=("red", "blue"),
    by="rules",
)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({}, ""),
        ({"prompt": "A man drives a RED car", "changed": ("red", "man")}, "as it was"),
        ({"prompt": ""}, "has 0 characters"),
        ({"prompt": SOUND.prompt + " blue" * PROMPT_LIMIT}, "characters, not 1 to 400"),
        ({"prompt": "a man drives a blue\x1b[31m car"}, "control characters"),
        ({"prompt": "a man drives a blue\u202e car"}, "control characters"),
        ({"prompt": "a man drives a blue\ncar"}, "control characters"),
        ({"prompt": "a man drives a blue car "}, "blanks at an end"),
        ({"changed": ("red", "Red")}, "changes nothing"),
        ({"changed": ("red", "")}, "changes nothing"),
        ({"changed": ("green", "blue")}, "words that the caption does not have"),
        ({"changed": ("red", "green")}, "does not have the words"),
        ({"prompt": "buy blue pills"}, "keeps too little"),
        ({"changed": ("", "blue")}, ""),
    ],
)
def test_faults(change: dict[str, Any], fault: str) -> None:
    found = fault_of(EditPrompt.model_construct(**dict(SOUND) | change))
    assert fault in found if fault else found == ""
    if fault:
        with pytest.raises(ValidationError, match=f"the prompt .*{fault}"):
            SOUND.replaced(**change)


def test_json_and_back() -> None:
    clip = ClipPrompts(id="video1", prompts=(SOUND, SOUND.replaced(kind="object")), fallback="refused")
    assert ClipPrompts.model_validate_json(clip.line(lean=True)) == clip
    assert "fallback" not in clip.replaced(fallback="").line(lean=True)


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "sound"},
        {"kind": ["style"]},
        {"prompt": 5},
        {"changed": ["red"]},
        {"changed": "ab"},
        {"changed": [None, "blue"]},
        {"by": None},
        {"more": 1},
        {"prompt": SOUND.source},
    ],
)
def test_what_is_no_prompt_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        EditPrompt.model_validate_json(json.dumps(SOUND.model_dump() | change))


@pytest.mark.parametrize("table", [[], {}, {"id": 1, "prompts": []}, {"id": "a", "prompts": {}}, None, "id"])
def test_what_are_no_prompts_of_a_clip_is_refused(table: Any) -> None:
    with pytest.raises(ValidationError):
        ClipPrompts.model_validate_json(json.dumps(table))


def test_sources_are_clean_short_and_each_there_once() -> None:
    long = "word " * 100
    assert sources_of([" A\tcar. ", "a car", "\x1b", long]) == ("A car", " ".join(["word"] * 60))
    assert sources_of(["x" * 10**6]) == ("x" * SOURCE_LIMIT,)
    assert len(sources_of(f"caption {number}" for number in range(100))) == 20


@settings(deadline=None, derandomize=True, max_examples=200)
@given(st.lists(st.text(max_size=400), max_size=4))
def test_sources_stay_as_they_are_when_taken_again(captions: list[str]) -> None:
    sources = sources_of(captions)
    assert sources_of(sources) == sources
    assert all(0 < len(source) <= SOURCE_LIMIT and source.isprintable() for source in sources)


@pytest.mark.parametrize(
    ("source", "prompt", "replaced", "enough"),
    [
        ("a blue boat", "a sketch of a red car", "", False),
        ("a red car", "a green car in the snow", "", False),
        ("a red car", "a red car in the snow", "", True),
        ("a red car drives", "a red boat drives", "car", True),
        ("a red car drives", "a man sings", "car", False),
        ("two men are fighting", "two robots fight", "men", True),
        ("一辆红色的车", "一辆蓝色的车", "红色", True),
        ("一辆红色的车", "两只猫在睡觉", "红色", False),
    ],
)
def test_a_prompt_is_about_its_own_caption(source: str, prompt: str, replaced: str, enough: bool) -> None:
    assert keeps_enough(source, prompt, replaced) is enough
