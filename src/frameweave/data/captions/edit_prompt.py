"""An edit prompt: a caption with one thing changed; and what all of a clip's prompts must keep to."""

import re
from collections.abc import Iterable
from typing import Literal, get_args

from pydantic import model_validator

from frameweave.data.lines import Record
from frameweave.data.text import caption_of

Kind = Literal["object", "colour", "background", "style"]
KINDS: tuple[Kind, ...] = get_args(Kind)
RULES = "rules"
"""What `EditPrompt.by` says of prompts that no model made."""

SOURCE_LIMIT = 300
"""Characters of a caption that is edited: as much as a text tower of 77 tokens takes."""
PROMPT_LIMIT = 400
SOURCES_LIMIT = 20
"""Captions of a clip that are looked at."""
_KEPT, _KEPT_BESIDE_MORE = (
    0.5,
    0.75,
)  # of the source's words, where some are replaced and where some are added
_STEM = 3  # letters in which forms of a word agree: fighting, fights
_SIGNS = "\u3040-\u9fff\uac00-\ud7af"  # of Japanese, Chinese and Korean
_SMALL = {
    "a",
    "an",
    "the",
    "of",
    "in",
    "on",
    "at",
    "by",
    "to",
    "with",
    "and",
    "or",
    "is",
    "are",
    "was",
    "were",
}
_MEDIA = {"photo", "photograph", "picture", "image", "video", "clip", "footage"}
"""Words that say nothing of what is shown."""


class EditPrompt(Record):
    """What a clip shall show after editing. Raises `ValueError` with a fault."""

    source: str
    """The caption that was edited."""
    prompt: str
    kind: Kind
    """What was changed."""
    changed: tuple[str, str]
    """From these words to those; the first are empty where something was added."""
    by: str
    """rules, or the model and the version of what it was asked."""

    @model_validator(mode="after")
    def _is_sound(self) -> "EditPrompt":
        if fault := fault_of(self):
            raise ValueError(f"the prompt {fault}")
        return self


class ClipPrompts(Record):
    """A clip's edit prompts, one of each kind that could be made."""

    id: str
    prompts: tuple[EditPrompt, ...]
    fallback: str = ""
    """Why a model was asked for and the rules answered: refused, nonsense, rejected, no_answer,
    cut or budget.

    no_caption where there is nothing to rewrite.
    """


def fault_of(edit: EditPrompt) -> str:
    """What is wrong with a prompt, as the end of a sentence; empty when nothing is."""
    before, after = edit.changed
    texts = (edit.source, edit.prompt, before, after)
    faults = {
        f"has {len(edit.prompt)} characters, not 1 to {PROMPT_LIMIT}": not 0
        < len(edit.prompt)
        <= PROMPT_LIMIT,
        "has control characters, or blanks at an end": any(
            text and caption_of(text) != text for text in texts
        ),
        "is the caption as it was": edit.prompt.lower() == edit.source.lower(),
        "changes nothing": not after or before.lower() == after.lower(),
        "changes words that the caption does not have": before.lower() not in edit.source.lower(),
        "does not have the words that it says are new": after.lower() not in edit.prompt.lower(),
        "keeps too little of the caption": not keeps_enough(edit.source, edit.prompt, before),
    }
    return next((fault for fault, found in faults.items() if found), "")


def keeps_enough(source: str, prompt: str, replaced: str = "") -> bool:
    """Whether a prompt is about what the caption is about: it has of its words, but those `replaced`, half.

    Where nothing is replaced, words are added, and three quarters must be there. Articles and the like do not
    count, and forms of one word count as the same.

    >>> keeps_enough("a blue boat", "a sketch of a blue boat"), keeps_enough("a blue boat", "a red car")
    (True, False)
    >>> keeps_enough("two men are fighting", "two robots fight", "men")
    True
    """
    words, new = _stems(source) - _stems(replaced), _stems(prompt)
    share = _KEPT if replaced else _KEPT_BESIDE_MORE
    return len(words & new) >= share * len(words)


def _stems(text: str) -> set[str]:
    """The words that say something, by their first letters; of scripts without blanks each sign."""
    words = re.findall(rf"[{_SIGNS}]|[^\W{_SIGNS}]+", text.lower())
    return {word[:_STEM] for word in words if word not in _SMALL | _MEDIA}


def sources_of(captions: Iterable[str]) -> tuple[str, ...]:
    """The captions to edit: cleaned, each once, shortened at a word.

    >>> sources_of(["a car  drives", "A car drives", "", "a man sings."])
    ('a car drives', 'a man sings')
    """
    found: dict[str, str] = {}
    for caption in captions:
        text = caption_of(caption)
        if len(text) > SOURCE_LIMIT:
            text = text[: SOURCE_LIMIT + 1].rpartition(" ")[0] or text[:SOURCE_LIMIT]
        text = text.rstrip(" .,;:")
        if text and len(found) < SOURCES_LIMIT:
            found.setdefault(text.lower(), text)
    return tuple(found.values())
