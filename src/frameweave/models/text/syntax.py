"""Weights and breaks in prompts, written as in AUTOMATIC1111's web UI.

`(word)` weighs 1.1, `[word]` 1 / 1.1, `(word:1.3)` what it says; brackets in brackets multiply. A backslash
makes a bracket a letter. BREAK ends a part. A bracket that is never closed holds until the end; one that was
never opened is a letter.
"""

import re
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from frameweave.errors import InputError

SYNTAXES = ("a1111", "plain")
"""How prompts are read: with weights and breaks, or as they are written."""

_STRONGER, _WEAKER = 1.1, 1 / 1.1
_HEAVIEST = 1000
"""Far beyond what is useful, and far from what half precision cannot hold."""
_NUMBER = r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)"
_SIGN = re.compile(rf"\\[()\[\]\\]|:\s*({_NUMBER})\s*\)|\bBREAK\b|[()\[\]\\]")
_BAR = re.compile(r"(?<!\\)\|")
_STEP = re.compile(rf"(?<!\\):\s*{_NUMBER}\s*(?=\])")
"""What makes a text in square brackets change: a bar in it, or a number at its end."""
_NETWORK = re.compile(r"<(lora|lyco|hypernet):([^:<>]+)(?::([^:<>]*)(?::[^<>]*)?)?>", re.IGNORECASE)
_PLAIN = "or --prompt-syntax plain to have the prompt read as it is written"


@dataclass(frozen=True)
class Piece:
    """Some text of a prompt, and how much it weighs."""

    text: str
    weight: float = 1.0


@dataclass
class _Bracket:
    """An opening bracket, and what it does to the pieces from it to its closing one."""

    kind: str
    first: int
    """The first piece in it."""
    start: int
    """Where its text begins in the prompt."""
    weight: float
    end: int | None = None
    """The first piece after it; None while it is not closed."""


@dataclass(frozen=True)
class _Read:
    pieces: list[Piece | None]
    """None is a break."""
    changing: str
    """What stands in square brackets that would change the prompt at some step."""


def is_plain(prompt: str) -> bool:
    """Whether a prompt has no sign of this syntax, so that it reads as it is written.

    >>> is_plain("a red car"), is_plain("a (red) car"), is_plain("day BREAK night")
    (True, False, False)
    """
    return _SIGN.search(prompt) is None


def check(prompt: str, which: str = "prompt") -> None:
    """Raise `InputError` for what the web UI takes and we cannot: networks, and texts that change by step.

    `which` prompt it is stands in the message.
    """
    if found := _NETWORK.search(prompt):
        kind, name, scale = found.groups()
        raise InputError(
            f"the {which} names a network: {found[0]}",
            hint=f"give --lora {name}.safetensors@{scale or 1} instead, {_PLAIN}"
            if kind.lower() != "hypernet"
            else f"leave it out, {_PLAIN}",
        )
    reader = _read(prompt)
    for piece in reader.pieces:
        if piece is not None and not abs(piece.weight) <= _HEAVIEST:
            raise InputError(
                f"the {which}'s {piece.text.strip()[:40]!r} weighs {piece.weight:.3g}, "
                f"expected at most {_HEAVIEST}",
                hint="give it a weight such as (word:1.3)",
            )
    if changing := reader.changing:
        raise InputError(
            f"the {which} changes from step to step: [{changing}]",
            hint=f"give one text for all steps, such as (word:0.9) for less of a word, {_PLAIN}",
        )


def parts(prompt: str) -> list[list[Piece]]:
    """The pieces of each part between breaks; neighbours of one weight are one piece.

    >>> [[(piece.text, piece.weight) for piece in part] for part in parts("a (red:1.5) car BREAK snow")]
    [[('a ', 1.0), ('red', 1.5), (' car ', 1.0)], [(' snow', 1.0)]]
    """
    return _joined(_read(prompt).pieces)


def spoken(prompt: str, syntax: str = "a1111") -> str:
    """What a prompt says: without brackets, weights and breaks.

    >>> spoken("a (red:1.2) [big] car, BREAK snow")
    'a red big car, snow'
    """
    if syntax == "plain":
        return prompt
    said = ["".join(piece.text for piece in part) for part in parts(prompt)]
    return said[0] if len(said) == 1 else " ".join(filter(None, (part.strip() for part in said)))


def _read(prompt: str) -> _Read:
    """In time that grows as the prompt does, however deep its brackets are."""
    texts: list[str | None] = []
    brackets: list[_Bracket] = []
    opened: dict[str, list[_Bracket]] = {"(": [], "[": []}
    changing, changes = "", _changes(prompt)
    for sign, weight, text, end in _signs(prompt):
        if sign in opened:
            made = _Bracket(sign, len(texts), end, _STRONGER if sign == "(" else _WEAKER)
            brackets.append(made)
            opened[sign].append(made)
        elif weight is not None and opened["("]:
            closed = opened["("].pop()
            closed.weight, closed.end = weight, len(texts)
        elif sign == "]" and opened["["]:
            closed = opened["["].pop()
            closed.end = len(texts)
            changing = changing or (prompt[closed.start : end - 1] if changes(closed.start, end - 1) else "")
        elif sign == "BREAK":
            texts.append(None)
        elif text:
            texts.append(text)
    weights = _weights(brackets, len(texts))
    pieces = [
        None if text is None else Piece(text, weight) for text, weight in zip(texts, weights, strict=True)
    ]
    return _Read(pieces, changing)


def _changes(prompt: str) -> Callable[[int, int], bool]:
    """Tells of the text in square brackets, from its start to its end, whether it changes by step."""
    bars = [found.start() for found in _BAR.finditer(prompt)]
    steps = {found.end(): found.start() for found in _STEP.finditer(prompt)}

    def changes(start: int, end: int) -> bool:
        return steps.get(end, -1) >= start or bisect_left(bars, start) < bisect_left(bars, end)

    return changes


def _weights(brackets: Sequence[_Bracket], count: int) -> list[float]:
    """The weight of each of so many pieces: the product of those of the brackets around it."""
    weights = [1.0] * count
    for kind in "([":  # those of one kind never overlap but in one another
        inside: list[tuple[int, float]] = []  # where each that is open ends, and its product
        own = iter([one for one in brackets if one.kind == kind])
        following = next(own, None)
        for index in range(count):
            while inside and inside[-1][0] <= index:
                inside.pop()
            while following is not None and following.first <= index:
                end = count if following.end is None else following.end
                if end > index:
                    inside.append((end, following.weight * (inside[-1][1] if inside else 1.0)))
                following = next(own, None)
            if inside:
                weights[index] *= inside[-1][1]
    return weights


def _signs(prompt: str) -> Iterator[tuple[str, float | None, str, int]]:
    """Each sign and each text between two of them: sign, weight, text, end. A letter's sign is empty."""
    start = 0
    for found in _SIGN.finditer(prompt):
        if found.start() > start:
            yield "", None, prompt[start : found.start()], found.start()
        start = found.end()
        if found[0][0] == "\\":  # with a bracket or another one that is the letter, alone it is nothing
            yield "", None, found[0][1:], start
        else:
            usual = _STRONGER if found[0] == ")" else None
            yield found[0], usual if found[1] is None else float(found[1]), found[0], start
    if start < len(prompt):
        yield "", None, prompt[start:], len(prompt)


def _joined(pieces: list[Piece | None]) -> list[list[Piece]]:
    whole: list[list[Piece]] = [[]]
    for weight, alike in groupby(pieces, key=lambda piece: None if piece is None else piece.weight):
        if weight is None:
            whole += [[] for _ in alike]
        else:
            whole[-1].append(Piece("".join(piece.text for piece in alike if piece is not None), weight))
    return whole
