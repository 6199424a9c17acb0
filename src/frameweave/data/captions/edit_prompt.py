"""An edit prompt: a caption with one thing changed; and what all of a clip's prompts must keep to."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, get_args

from frameweave.data.record import cleaned
from frameweave.errors import DataError

Kind = Literal["object", "colour", "background", "style"]
KINDS: tuple[Kind, ...] = get_args(Kind)
RULES = "rules"
"""What `EditPrompt.by` says of prompts that no model made."""

SOURCE_LIMIT = 300
"""Characters of a caption that is edited: as much as a text tower of 77 tokens takes."""
PROMPT_LIMIT = 400
SOURCES_LIMIT = 20
"""Captions of a clip that are looked at."""
_FIELDS = frozenset(("source", "prompt", "kind", "changed", "by"))
_KEPT = 0.25  # of the source's words but one, which a prompt must keep


@dataclass(frozen=True, kw_only=True)
class EditPrompt:
    """What a clip shall show after editing."""

    source: str
    """The caption that was edited."""
    prompt: str
    kind: Kind
    """What was changed."""
    changed: tuple[str, str]
    """From these words to those; the first are empty where something was added."""
    by: str
    """rules, or the model and the version of what it was asked."""

    def as_dict(self) -> dict[str, Any]:
        """A JSON object."""
        table = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {**table, "changed": list(self.changed)}

    @classmethod
    def from_dict(cls, table: Any) -> "EditPrompt":
        """Raises `DataError` when the object is not one that `as_dict` gives of a sound prompt."""
        if not isinstance(table, dict) or table.keys() != _FIELDS:
            raise _malformed(f"expected the fields {', '.join(sorted(_FIELDS))}")
        source, prompt, kind, pair, by = (
            table[name] for name in ("source", "prompt", "kind", "changed", "by")
        )
        if not isinstance(pair, list) or len(pair) != 2:
            raise _malformed("expected two texts in changed")
        if not all(isinstance(text, str) for text in (source, prompt, *pair, by)):
            raise _malformed("expected texts")
        if kind not in KINDS:
            raise _malformed(f"kind {kind!r}, expected {', '.join(KINDS)}")
        made = cls(source=source, prompt=prompt, kind=kind, changed=(pair[0], pair[1]), by=by)
        if fault := fault_of(made):
            raise _malformed(f"the prompt {fault}")
        return made


def fault_of(edit: EditPrompt) -> str:
    """What is wrong with a prompt, as the end of a sentence; empty when nothing is.

    >>> fault_of(EditPrompt(source="a red car", prompt="a blue car", kind="colour",
    ...                     changed=("red", "blue"), by="rules"))
    ''
    """
    before, after = edit.changed
    texts = (edit.source, edit.prompt, before, after)
    faults = {
        f"has {len(edit.prompt)} characters, not 1 to {PROMPT_LIMIT}": not 0
        < len(edit.prompt)
        <= PROMPT_LIMIT,
        "has control characters, or blanks at an end": any(cleaned(text) != text for text in texts),
        "is the caption as it was": edit.prompt.lower() == edit.source.lower(),
        "changes nothing": not after or before.lower() == after.lower(),
        "changes words that the caption does not have": before.lower() not in edit.source.lower(),
        "does not have the words that it says are new": after.lower() not in edit.prompt.lower(),
        "keeps too little of the caption": not keeps_enough(edit.source, edit.prompt),
    }
    return next((fault for fault, found in faults.items() if found), "")


def keeps_enough(source: str, prompt: str) -> bool:
    """Whether a prompt has at least a quarter of the caption's words, one of them left out of account.

    >>> keeps_enough("a cat runs", "a dog runs"), keeps_enough("a cat runs on the grass", "free money")
    (True, False)
    """
    words, new = _words(source), _words(prompt)
    return len(words & new) >= _KEPT * (len(words) - 1)


def sources_of(captions: Iterable[str]) -> tuple[str, ...]:
    """The captions to edit: cleaned, each once, shortened at a word.

    >>> sources_of(["a car  drives", "A car drives", "", "a man sings."])
    ('a car drives', 'a man sings')
    """
    found: dict[str, str] = {}
    for caption in captions:
        text = _shortened(cleaned(caption)).rstrip(" .,;:")
        if text and len(found) < SOURCES_LIMIT:
            found.setdefault(text.lower(), text)
    return tuple(found.values())


def _shortened(text: str) -> str:
    if len(text) <= SOURCE_LIMIT:
        return text
    head = text[: SOURCE_LIMIT + 1].rpartition(" ")[0]
    return head or text[:SOURCE_LIMIT]


def _words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text.lower()))


@dataclass(frozen=True, kw_only=True)
class ClipPrompts:
    """A clip's edit prompts, one of each kind that could be made."""

    id: str
    prompts: tuple[EditPrompt, ...]
    fallback: str = ""
    """Why a model was asked for and the rules answered: refused, nonsense, rejected, no_answer or budget.

    no_caption where there is nothing to rewrite.
    """

    def as_dict(self) -> dict[str, Any]:
        """A JSON object; without `fallback` where there is none."""
        table: dict[str, Any] = {"id": self.id, "prompts": [edit.as_dict() for edit in self.prompts]}
        return table | ({"fallback": self.fallback} if self.fallback else {})

    @classmethod
    def from_dict(cls, table: Any) -> "ClipPrompts":
        """Raises `DataError` when something is missing or wrong."""
        if not isinstance(table, dict):
            raise _malformed("expected a JSON object")
        name, prompts, fallback = table.get("id"), table.get("prompts"), table.get("fallback", "")
        if not isinstance(name, str) or not isinstance(prompts, list) or not isinstance(fallback, str):
            raise _malformed("expected an id and a list of prompts")
        return cls(id=name, prompts=tuple(EditPrompt.from_dict(edit) for edit in prompts), fallback=fallback)


def _malformed(what: str) -> DataError:
    return DataError(what, hint="make the file anew with frameweave data caption")
