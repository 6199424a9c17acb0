"""Edit prompts without a model: one known thing, colour, place or style of a caption is exchanged.

The same seed, clip and captions give the same prompts, on every machine. A style can always be
added, so every caption has a prompt at least.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TypeVar

from pydantic import ValidationError

from frameweave.data.captions.cache import Answer
from frameweave.data.captions.edit_prompt import KINDS, RULES, ClipPrompts, EditPrompt, Kind, sources_of
from frameweave.data.captions.vocabulary import GENERAL, Vocabulary
from frameweave.data.captions.wording import plural, spliced, uncapitalised
from frameweave.data.record import ClipRecord

T = TypeVar("T")
Draw = Callable[[Sequence[str]], str]
Change = tuple[str, str, str]
"""The new text, and which words became which."""
Way = Callable[[str, Draw], Change | None]
"""How to change a text, where it can be changed so."""

_BEFORE_PLACES = "in|on|at|down|along|through|across|inside|near|by|into|around|over|under|outside|onto"
_DETERMINERS = "a|an|the|his|her|their|its|this|that|some|two|three"
_NO_NOUNS = frozenset(
    f"and|or|but|is|are|was|were|has|have|with|without|to|of|from|for|as|{_BEFORE_PLACES}|{_DETERMINERS}".split(
        "|"
    )
)


@dataclass(frozen=True)
class _Noun:
    family: tuple[str, ...]
    entry: str
    many: bool
    person: bool


@dataclass(frozen=True)
class _Styled:
    """A caption taken apart: what is shown, and the words around it that say in which style."""

    style: str
    before: str
    shown: str
    after: str


@dataclass(frozen=True)
class Rules:
    """The rewriter: a vocabulary and a seed."""

    vocabulary: Vocabulary = GENERAL
    seed: int = 0

    def prompts(
        self, captions: Iterable[str], *, clip: str, kinds: Sequence[Kind] = KINDS
    ) -> tuple[EditPrompt, ...]:
        """One prompt of each kind that can be made from any of a clip's captions."""
        sources = sources_of(captions)
        found = (self._prompt(sources, clip, kind) for kind in kinds)
        return tuple(edit for edit in found if edit is not None)

    def completed(
        self, record: ClipRecord, answer: Answer | None = None, kinds: Sequence[Kind] = KINDS
    ) -> ClipPrompts:
        """A clip's prompts: a model's where there are some, and the rules' of the other kinds."""
        edits = answer.edits if answer is not None else ()
        made = {edit.kind for edit in edits}
        missing: list[Kind] = [kind for kind in kinds if kind not in made]
        every = (*edits, *self.prompts(record.captions, clip=record.id, kinds=missing))
        return ClipPrompts(
            id=record.id,
            prompts=tuple(sorted(every, key=lambda edit: kinds.index(edit.kind))),
            fallback=answer.failed if answer is not None else "" if every else "no_caption",
        )

    def _prompt(self, sources: tuple[str, ...], clip: str, kind: Kind) -> EditPrompt | None:
        """Exchanging comes before adding, in any caption."""
        for way in self._ways(kind):
            for source in sorted(sources, key=lambda text: _digest(self.seed, clip, kind, text)):
                draw = partial(_drawn, about=(self.seed, clip, kind, source))
                if (change := way(source, draw)) is None:
                    continue
                prompt, *changed = change
                with suppress(ValidationError):
                    return EditPrompt(
                        source=source, prompt=prompt, kind=kind, changed=(changed[0], changed[1]), by=RULES
                    )
        return None

    def _ways(self, kind: Kind) -> Iterator[Way]:
        shown: dict[Kind, tuple[Way, ...]] = {
            "object": (self._other_thing,),
            "colour": (self._other_colour, self._coloured),
            "background": (self._other_place, self._placed),
            "style": (),
        }
        yield from (partial(self._within_style, way) for way in shown[kind])
        if kind == "style":
            yield from (self._other_style, self._added_style)

    def _within_style(self, way: Way, text: str, draw: Draw) -> Change | None:
        parts = self._apart(text)
        if (change := way(parts.shown, draw)) is None:
            return None
        return f"{parts.before}{change[0]}{parts.after}", *change[1:]

    def _other_thing(self, text: str, draw: Draw) -> Change | None:
        """All places of one noun, so that the same thing stays the same thing."""
        nouns = {word[0].lower(): self._nouns[word[0].lower()] for word in self._words(text, self._nouns)}
        if not nouns:
            return None
        old = draw(tuple(nouns))
        noun = nouns[old]
        taken = {found.entry for found in nouns.values()}
        new = draw([entry for entry in noun.family if entry not in taken] or noun.family).split()[0]
        new = plural(new) if noun.many else new
        for word in reversed([word for word in self._words(text, self._nouns) if word[0].lower() == old]):
            text = spliced(text, *word.span(), new)
        return text, old, new

    def _other_colour(self, text: str, draw: Draw) -> Change | None:
        words = (word for word in self._words(text, self._colours) if self._paints(text, word))
        found = {str(word.start()): word for word in words}
        if not found:
            return None
        word = found[draw(tuple(found))]
        new = self._new_colour(text, draw)
        return spliced(text, *word.span(), new), word[0], new

    def _paints(self, text: str, word: re.Match[str]) -> bool:
        """Whether a colour stands before a thing: not "peels an orange", "black and white", "a white man"."""
        following = re.match(r" (\w+)", text[word.end() :])
        if following is None or re.search(r"\band $", text[: word.start()], re.IGNORECASE):
            return False
        noun = self._nouns.get(following[1].lower())
        return following[1].lower() not in _NO_NOUNS and not (noun and noun.person)

    def _coloured(self, text: str, draw: Draw) -> Change | None:
        for word in self._words(text, self._nouns):
            determined = re.search(rf"\b(?:{_DETERMINERS}) $", text[: word.start()], re.IGNORECASE)
            if determined and not self._nouns[word[0].lower()].person:
                new = self._new_colour(text, draw)
                return spliced(text, word.start(), word.start(), f"{new} "), "", new
        return None

    def _new_colour(self, text: str, draw: Draw) -> str:
        taken = {self._colours[word[0].lower()] for word in self._words(text, self._colours)}
        colours = self.vocabulary.colours
        return draw([entry for entry in colours if entry not in taken] or colours).split()[0]

    def _other_place(self, text: str, draw: Draw) -> Change | None:
        found = {str(place.start()): place for place in self._place.finditer(text)}
        if not found:
            return None
        place = found[draw(tuple(found))]
        new = self._new_place(text, draw)
        return spliced(text, *place.span(), new), place[0], new

    def _placed(self, text: str, draw: Draw) -> Change | None:
        new = self._new_place(text, draw)
        return f"{text} {new}", "", new

    def _new_place(self, text: str, draw: Draw) -> str:
        """None that the text names already, by its name or one of its phrases."""
        places, lower = self.vocabulary.places, text.lower()
        free = [n for n, phrases in places.items() if not any(said in lower for said in (n, *phrases))]
        return places[draw(free or list(places))][0]

    def _other_style(self, text: str, draw: Draw) -> Change | None:
        parts = self._apart(text)
        return self._in_style(parts, draw) if parts.style else None

    def _added_style(self, text: str, draw: Draw) -> Change | None:
        return self._in_style(self._apart(text), draw)

    def _in_style(self, parts: _Styled, draw: Draw) -> Change:
        styles = self.vocabulary.styles
        new = draw([name for name in styles if name != parts.style] or list(styles))
        before, after = styles[new][0].split("{}")
        return f"{before}{uncapitalised(parts.shown)}{after}", parts.style, new

    def _apart(self, text: str) -> _Styled:
        for style, before, after in self._sentences:
            shown = text[len(before) : len(text) - len(after)]
            start, end = text[: len(before)], text[len(before) + len(shown) :]
            if shown and start.lower() == before and end.lower() == after:
                return _Styled(style, start, shown, end)
        return _Styled("", "", text, "")

    @staticmethod
    def _words(text: str, known: dict[str, T]) -> Iterator[re.Match[str]]:
        return (word for word in re.finditer(r"\w+", text) if word[0].lower() in known)

    @cached_property
    def _nouns(self) -> dict[str, _Noun]:
        """By every form that is found."""
        families = [(f, False) for f in self.vocabulary.things] + [(f, True) for f in self.vocabulary.people]
        return {
            form: _Noun(family, entry, form != word, person)
            for family, person in families
            for entry in family
            for word in entry.split()
            for form in (plural(word), word)
        }

    @cached_property
    def _colours(self) -> dict[str, str]:
        return {word: entry for entry in self.vocabulary.colours for word in entry.split()}

    @cached_property
    def _place(self) -> re.Pattern[str]:
        phrases = sorted((p for said in self.vocabulary.places.values() for p in said), key=len, reverse=True)
        names = "|".join(map(re.escape, (*self.vocabulary.places, *self.vocabulary.known_places)))
        any_of = rf"(?:{_BEFORE_PLACES}) (?:(?:{_DETERMINERS}) )?(?:\w+ )?(?:{names})s?"
        return re.compile(rf"\b(?:{'|'.join(map(re.escape, phrases))}|{any_of})\b", re.IGNORECASE)

    @cached_property
    def _sentences(self) -> list[tuple[str, str, str]]:
        """Style, words before and words after; the longest first."""
        named = [("", sentence) for sentence in self.vocabulary.unstyled]
        named += [(name, text) for name, texts in self.vocabulary.styles.items() for text in texts]
        named.sort(key=lambda pair: len(pair[1]), reverse=True)
        return [(name, *text.split("{}")) for name, text in named]  # pyright: ignore[reportReturnType]


def _digest(*about: object) -> bytes:
    return hashlib.sha256(json.dumps(about).encode()).digest()


def _drawn(options: Sequence[str], *, about: tuple[object, ...]) -> str:
    return options[int.from_bytes(_digest(*about, len(options))[:8]) % len(options)]
