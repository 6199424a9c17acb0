"""Weights and breaks in prompts. The oracle reads letter by letter, the code sign by sign."""

import gc
import time
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frameweave.errors import InputError
from frameweave.models.text.syntax import check, parts, spoken


@pytest.mark.parametrize(
    ("prompt", "pieces"),
    [
        ("normal text", [("normal text", 1)]),
        ("an (important) word", [("an ", 1), ("important", 1.1), (" word", 1)]),
        ("((very)) [less]", [("very", 1.21), (" ", 1), ("less", 1 / 1.1)]),
        ("a (red:1.5) (blue: .5 ) (green:-1)", [
            ("a ", 1), ("red", 1.5), (" ", 1), ("blue", 0.5), (" ", 1), ("green", -1),
        ]),
        ("a (((house:1.3)) [on] a (hill:0.5), sun, (((sky))).", [
            ("a ", 1), ("house", 1.573), (" ", 1.1), ("on", 1), (" a ", 1.1), ("hill", 0.55),
            (", sun, ", 1.1), ("sky", 1.4641), (".", 1.1),
        ]),
        ("(a [b:1.2) c", [("a ", 1.2), ("b", 1.2 / 1.1), (" c", 1 / 1.1)]),
        ("(never closed", [("never closed", 1.1)]),
        ("never opened) at: all] :1.2)", [("never opened) at: all] :1.2)", 1)]),
        ("(no number:x) (1,2:1,2) (v:1.2.3)", [
            ("no number:x", 1.1), (" ", 1), ("1,2:1,2", 1.1), (" ", 1), ("v:1.2.3", 1.1),
        ]),
        (r"\(a\) \[b\] \\ c\d", [(r"(a) [b] \ cd", 1)]),
        (r"(\(a\):1.3)", [("(a)", 1.3)]),
        ("()", []),
        ("", []),
    ],
)  # fmt: skip
def test_weights(prompt: str, pieces: list[tuple[str, float]]) -> None:
    (found,) = parts(prompt)
    assert [piece.text for piece in found] == [text for text, _ in pieces]
    assert [piece.weight for piece in found] == pytest.approx([weight for _, weight in pieces])


@pytest.mark.parametrize(
    ("prompt", "texts"),
    [
        ("a BREAK b", ["a", "b"]),
        ("a\nBREAK\nb, BREAK c", ["a", "b,", "c"]),
        ("BREAKFAST break BREAK_ aBREAK", ["BREAKFAST break BREAK_ aBREAK"]),
        ("(a BREAK b:1.2)", ["a", "b"]),  # the web UI reads this BREAK as a word
        ("BREAK a BREAK", ["", "a", ""]),
    ],
)
def test_breaks(prompt: str, texts: list[str]) -> None:
    found = parts(prompt)
    assert ["".join(piece.text for piece in part).strip() for part in found] == texts


def test_a_weight_may_span_a_break() -> None:
    assert [[piece.weight for piece in part] for part in parts("(a BREAK b:1.2)")] == [[1.2], [1.2]]


def _letter_by_letter(prompt: str) -> list[tuple[str, float]]:
    """Of round and square brackets and letters alone: each letter with its weight."""
    letters: list[list] = []
    opened: dict[str, list[int]] = {"(": [], "[": []}
    for letter in prompt:
        kind = {")": "(", "]": "["}.get(letter, letter)
        if letter in "([":
            opened[letter].append(len(letters))
        elif opened.get(kind):
            for one in letters[opened[kind].pop() :]:
                one[1] *= 1.1 if kind == "(" else 1 / 1.1
        else:
            letters.append([letter, 1.0])
    for kind, places in opened.items():
        for place in places:
            for one in letters[place:]:
                one[1] *= 1.1 if kind == "(" else 1 / 1.1
    return [(letter, weight) for letter, weight in letters]


@given(st.text("ab ()[]", max_size=30))
def test_brackets_however_they_stand(prompt: str) -> None:
    (found,) = parts(prompt)
    letters = [(letter, piece.weight) for piece in found for letter in piece.text]
    expected = _letter_by_letter(prompt)
    assert [letter for letter, _ in letters] == [letter for letter, _ in expected]
    assert [weight for _, weight in letters] == pytest.approx([weight for _, weight in expected])


@given(st.text(max_size=40))
def test_what_is_written_so_is_read_so(text: str) -> None:
    escaped = "".join(f"\\{letter}" if letter in r"\()[]" else letter for letter in text)
    assert spoken(escaped) == text or "BREAK" in text
    assert spoken(text, "plain") == text


@pytest.mark.parametrize("prompt", ["a car", "a  car, at night: 1.2 {x} <y>", " a\n car "])
def test_a_prompt_without_syntax_stays_as_it_is(prompt: str) -> None:
    assert spoken(prompt) == prompt


@pytest.mark.parametrize(
    ("prompt", "said", "todo"),
    [
        ("a car <lora:film:0.8>", "names a network: <lora:film:0.8>", "--lora film.safetensors@0.8"),
        ("<LORA:film>", "names a network", "--lora film.safetensors@1"),
        ("<hypernet:x:1>", "names a network", "leave it out"),
        ("a [cat:dog:0.5]", "changes from step to step: [cat:dog:0.5]", "--prompt-syntax plain"),
        ("a [dog:10]", "changes from step to step", "(word:0.9)"),
        ("a [cat|dog]", "changes from step to step", "one text for all steps"),
    ],
)
def test_what_the_web_ui_takes_and_we_cannot(prompt: str, said: str, todo: str) -> None:
    with pytest.raises(InputError) as error:
        check(prompt)
    assert said in str(error.value) and todo in str(error.value.hint)
    assert spoken(prompt, "plain") == prompt


@pytest.mark.parametrize(
    "prompt", ["(" * 20_000 + "car", f"(car:{'9' * 39})", f"(car:{'9' * 400})", "(car:-" + "9" * 400 + ")"]
)
def test_weights_beyond_all_measure(prompt: str) -> None:
    with pytest.raises(InputError, match="the prompt's 'car' weighs"):
        check(prompt)


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("[", "]"),
        ("[a", "]"),
        ("(", "]"),
        ("(a", ":1)"),
        ("[", "a:"),
        (")", "]"),
        ("(a]", "b"),
        ("[:1", " ]"),
        (":1", "1"),
        (": ", " "),
        ("<lora:", "a"),
        ("BREAK ", "a|"),
    ],
)
def test_long_prompts_are_read_at_once(start: str, end: str) -> None:
    """Reading in squares of the length took minutes: twenty times as long is no 400 times as slow."""

    def seconds(count: int) -> float:
        prompt, begun = start * count + "car" + end * count, time.process_time()
        with suppress(InputError):
            check(prompt)
        parts(prompt)
        return time.process_time() - begun

    gc.disable()  # a collection walks over all that earlier tests left, whatever the prompt's length is
    try:
        long, short = (min(seconds(count) for _ in range(3)) for count in (8000, 400))
    finally:
        gc.enable()
    assert long < 80 * max(short, 0.002)


@pytest.mark.parametrize("prompt", ["[a: b]", "[(a:1.2)]", "a|b", "[time 12:30 h]", "<lora>", r"[a\|b]"])
def test_what_only_looks_like_it(prompt: str) -> None:
    check(prompt)
